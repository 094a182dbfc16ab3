"""Progress while it runs, tables at the end, and a last line that is `ok` or `FAILED`."""

import sys

from tests.soak.checks import Check
from tests.soak.ledger import Ledger

WIDTH = 30


def say(text: str = "") -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Bar:
    """A line that is drawn anew on a terminal; elsewhere a line for every tenth."""

    def __init__(self) -> None:
        self._tenth = -1

    def __call__(self, share: float, says: str) -> None:
        done = round(WIDTH * share)
        line = f"[{'#' * done}{'.' * (WIDTH - done)}] {share:4.0%}  {says}"
        if sys.stdout.isatty():
            sys.stdout.write(f"\r\033[K{line}")
            sys.stdout.flush()
        elif int(10 * share) > self._tenth:
            self._tenth = int(10 * share)
            say(line)

    def end(self) -> None:
        if sys.stdout.isatty():
            sys.stdout.write("\r\033[K")


def tell_calls(ledger: Ledger) -> None:
    say(f"{'kind':<16}{'calls':>8}{'answers':>9}{'surprises':>11}")
    for kind in sorted(ledger.calls):
        say(f"{kind:<16}{ledger.calls[kind]:>8}{ledger.answers[kind]:>9}{ledger.surprises[kind]:>11}")
    totals = (sum(counter.values()) for counter in (ledger.calls, ledger.answers, ledger.surprises))
    say("{:<16}{:>8}{:>9}{:>11}".format("all", *totals))
    for words in ledger.words:
        say(f"  {words}")


def tell_checks(checks: list[Check]) -> bool:
    """The checks and the verdict; says whether all hold."""
    for check in checks:
        say(f"{'ok' if check.holds else 'FAILED':<8}{check.says}: {check.found}")
    good = all(check.holds for check in checks)
    say("ok" if good else "FAILED")
    return good
