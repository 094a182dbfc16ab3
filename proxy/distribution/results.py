"""How asking for a policy can end: a closed set, which the metric shows as well."""

from enum import StrEnum


class Result(StrEnum):
    """One word for each poll."""

    NEW = "new"
    UNCHANGED = "unchanged"
    UNAVAILABLE = "unavailable"
    """The address could not be reached, was too slow, or answered something else than a bundle."""
    UNVERIFIED = "unverified"
    """Not signed by a pinned key, or not in the form of a bundle."""
    ROLLED_BACK = "rolled-back"
    """Its serial number is lower than one that was known before, or the same with other content."""
    INVALID = "invalid"
    """Signed, and no policy that holds under these settings."""
