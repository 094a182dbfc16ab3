"""The proxy without its audit, as a measure for `bench.durability`: no record is made, chained or written.

    ./run python -m bench.unaudited serve

It takes the words of `moratorium`. It is a program of the benchmark on purpose: the product has no setting
that does this.
"""

import sys

from proxy.audit.journal import Journal
from proxy.cli import main


def nothing(self: Journal, *_of_a_call: object) -> None:
    """In the place of whatever a call writes."""


def leave_out() -> None:
    """From here on decisions, and how calls end, leave no trace in this process."""
    Journal.write = nothing  # type: ignore[method-assign,assignment]
    Journal.outcome = nothing  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    leave_out()
    sys.exit(main())
