"""How much CPU time one decision takes, inside this process: nothing is sent, nothing is signed.

    ./run python -m bench.decision [ROUNDS]

The first rows are requests whose caller is known: on the connection of the last call its verdict is
recalled, on another the token is looked up and the call judged. The others ask `decide` with one policy, and
with all that are shipped. Each row is the least and the median of several rounds of many decisions.
"""

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from proxy.audit.record import Template
from proxy.authn.cache import TokenCache
from proxy.authn.keyset import KeySet
from proxy.backends.aws_rekognition import CONTENT_TYPE, AwsRekognition
from proxy.enforcer import Memo, Telling
from proxy.messages import RequestHead
from proxy.metrics import Tally
from proxy.pipeline import Rules, check, judged
from proxy.policy.callers import Caller, Principal
from proxy.policy.document import build, parse
from proxy.policy.engine import decide
from proxy.policy.instants import format_instant
from proxy.policy.model import Mode, Policy, Verdict
from proxy.policy.operations import Operation

POLICIES = Path(__file__).parents[1] / "config" / "policies"
ROUNDS = 15
CALLS = 2_000
WHEN = 1_717_000_000.0  # 2024-05-29
CACHED_GOAL, MANY_GOAL = 3.0, 15.0

POLICE = Caller(
    "issuer", ("police",), "springfield-pd", "criminal-investigation", "case", WHEN + 3600, "municipal",
    "city", "US-MA-BOS",
)  # fmt: skip
BANK = Caller(
    "issuer", ("commercial",), "bank", "identity-verification", None, WHEN + 3600, None, "private", "US-CA"
)
CONTRACTOR = BANK._replace(
    org_id="vendor",
    on_behalf_of=Principal(("police",), "county-so", "sheriff", "county", "US-WA"),
    actors=(Principal(("commercial",), "cloud"),),
)
CALLERS = {"police": POLICE, "commercial": BANK, "contractor of police": CONTRACTOR}


class Row(NamedTuple):
    """Microseconds of CPU time for one decision."""

    name: str
    least: float
    median: float
    goal: float


def timed(name: str, goal: float, ask: Callable[[], object], rounds: int) -> Row:
    """Measure one question."""
    found = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(CALLS):
            ask()
        found.append((time.process_time() - began) / CALLS * 1e6)
    return Row(name, min(found), statistics.median(found), goal)


def policy_of(*names: str) -> Policy:
    """The shipped policies of these names, together."""
    files = [POLICIES / f"{name}.toml" for name in names] or [
        file for file in sorted(POLICIES.glob("*.toml")) if not file.name.endswith(".cases.toml")
    ]
    return build(*(parse(file.read_text(), file.name) for file in files))


def head_of(token: bytes, request_id: bytes) -> RequestHead:
    """A call of CompareFaces as the AWS SDK makes it."""
    headers = (
        (b"host", b"face.example"),
        (b"content-type", CONTENT_TYPE),
        (b"x-amz-target", b"RekognitionService.CompareFaces"),
        (b"x-amz-security-token", token),
        (b"amz-sdk-invocation-id", request_id),
    )
    return RequestHead(b"POST", b"/", b"1.1", headers, 1024)


def _telling(verdict: Verdict) -> Telling:
    record = Template(verdict, revision="", mode=Mode.ENFORCE, instance="bench", backend=AwsRekognition.name)
    return Telling(verdict, record, Tally(), None)


def _recall_both(
    memo: Memo, one: RequestHead, other: RequestHead, rules: Rules, keys: dict[str, KeySet]
) -> None:
    memo.recall(one, rules, keys, WHEN)
    memo.recall(other, rules, keys, WHEN)


def cached(policy: Policy, backend: AwsRekognition, rounds: int) -> list[Row]:
    """Whole requests whose caller is known: on the connection of the last call, and on another."""
    rows = []
    for name, caller in (("commercial", BANK), ("police", POLICE)):
        token = name.encode() * 100
        rules = Rules(backend, policy, {}, TokenCache())
        rules.tokens.get(token, WHEN)
        rules.tokens.put(token, caller, WHEN)
        one, other, keys = head_of(token, b"1"), head_of(token, b"2"), dict[str, KeySet]()
        verdict = check(one, rules, keys, WHEN)
        assert isinstance(verdict, Verdict)  # noqa: S101
        memo = Memo()
        memo.keep(one, rules, keys, WHEN, _telling(verdict))

        again = timed(
            f"request, {name}, same connection",
            CACHED_GOAL,
            partial(_recall_both, memo, one, other, rules, keys),
            rounds,
        )
        rows.append(again._replace(least=again.least / 2, median=again.median / 2))
        operation = verdict.operation
        assert operation is not None  # noqa: S101
        rows.append(
            timed(
                f"decision, {name}, known token",
                CACHED_GOAL,
                partial(judged, caller, operation, rules, WHEN),
                rounds,
            )
        )
        rows.append(
            timed(
                f"request, {name}, other connection",
                CACHED_GOAL,
                partial(check, one, rules, keys, WHEN),
                rounds,
            )
        )
    return rows


def main(rounds: int = ROUNDS) -> int:
    """Print the table. Status 1 when a goal is missed by the least of the rounds."""
    backend = AwsRekognition()
    operations: dict[str, Operation] = {o.name: o for o in backend.operations()}
    one, all_of_them = policy_of("amazon-2020"), policy_of()
    rows = cached(one, backend, rounds)
    for policy, goal in ((one, CACHED_GOAL), (all_of_them, MANY_GOAL)):
        for who, caller in CALLERS.items():
            for what in ("CompareFaces", "DetectFaces", "IndexFaces"):
                name = f"decide, {len(policy.moratoria)} in the policy, {who}, {what}"
                operation = operations[what]
                rows.append(timed(name, goal, partial(decide, caller, operation, policy, WHEN), rounds))
    table = Table("one decision", "least, µs", "median, µs", "goal, µs", title=f"at {format_instant(WHEN)}")
    for row in rows:
        table.add_row(row.name, f"{row.least:.2f}", f"{row.median:.2f}", f"{row.goal:g}" if row.goal else "")
    Console().print(table)
    return int(any(row.goal and row.least > row.goal for row in rows))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
