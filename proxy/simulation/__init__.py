"""WHAT IF: recorded questions asked again, of another policy."""
