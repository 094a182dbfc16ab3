"""TLS both ways, on real sockets, with certificates made on the spot."""
