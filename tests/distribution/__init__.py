"""Policies from an address: signed, served over real sockets, kept on disk, and taken by real proxies."""
