"""What spreadsheets make of text. Pure."""

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")


def harmless(text: str) -> str:
    """With an apostrophe before what it would take for a formula."""
    return f"'{text}" if text.startswith(_DANGEROUS) else text
