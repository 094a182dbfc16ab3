"""Audit files on their way home through real collectors: `./run verify shipping`."""
