"""The data plane: strict HTTP/1.1 both ways, on asyncio protocols. It forwards only with a `Permit`."""
