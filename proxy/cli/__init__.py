"""The command line: one file a verb; each parses, calls and prints."""

from proxy.cli.main import main

__all__ = ["main"]
