"""Reads the cases: YAML into values, with a complaint for every key that is not known.

Text in a case stands for bytes one to one (Latin-1), so "\\x00" and "\\xff" are what they look like.
`<police>` and `<commercial>` stand for fresh tokens of that organisation type.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.policy.reasons import MEANINGS, Decision, Reason
from proxy.testing import TokenMint
from tests.harness.upstream import AwaitBody, Close, Pause, Reset, Send, Step

FOLDER = Path(__file__).parent / "cases"
_TOKEN = re.compile(rb"<(commercial|police)>")
_REPEAT = re.compile(rb"<([^<>*]+)\*([0-9]+)>")


def wire(text: str, mint: TokenMint | None = None) -> bytes:
    """The bytes that a text of a case stands for. `<ab*9>` is nine times ab."""
    raw = _REPEAT.sub(lambda match: match[1] * int(match[2]), text.encode("latin-1"))
    return _TOKEN.sub(lambda match: mint.token(match[1].decode()).encode(), raw) if mint is not None else raw


@dataclass(frozen=True, kw_only=True)
class RequestCase:
    """What a client sends and what must come of it.

    The bytes are `raw`, or are put together from `start`, `fields` (after Host and Authorization, unless
    `bare`), an empty line and `body`. `answers` are the statuses with their reasons, in order; `then` says
    whether the connection is `closed` or `kept` after them. `upstream` lists the messages that must arrive;
    left out, an allowed call must arrive as it was sent.
    """

    case: str
    answers: list[tuple[int, str]]
    then: str
    start: str = "POST /v1/detect HTTP/1.1"
    fields: list[str] = field(default_factory=list)
    bare: bool = False
    body: str = ""
    raw: str | None = None
    backend: str = "generic"
    settings: dict[str, Any] = field(default_factory=dict)
    records: list[str] = field(default_factory=list)
    upstream: list[dict[str, Any]] | None = None
    lacks: list[str] = field(default_factory=list)
    methods: list[str] = field(default_factory=lambda: ["POST"])
    unfinished: int = 0

    def sent(self, mint: TokenMint) -> bytes:
        if self.raw is not None:
            return wire(self.raw, mint)
        usual = [] if self.bare else ["Host: proxy.test", "Authorization: Bearer <commercial>"]
        head = "\r\n".join([self.start, *usual, *self.fields])
        return wire(f"{head}\r\n\r\n{self.body}", mint)

    @property
    def reasons(self) -> list[str]:
        return self.records or [reason for _, reason in self.answers]

    @property
    def allowed(self) -> int:
        return sum(MEANINGS[Reason(reason)].decision is Decision.ALLOWED for reason in self.reasons)


@dataclass(frozen=True, kw_only=True)
class ResponseCase:
    """What an upstream answers to one request, and what the client must get.

    `upstream` holds text to send, or `{pause: s}`, `body` (wait for the request's), `close`, `reset`.
    `reason` is that of the failure, if it is one; `cut`: the answer begins and must be seen to be incomplete.
    `reused`: whether the connection carries another call; `settle`: wait for its end before that call.
    """

    case: str
    upstream: list[str | dict[str, Any]]
    status: int
    reused: bool
    body: str = "ok"
    reason: str | None = None
    cut: bool = False
    settle: bool = False
    request: str = "GET /v1/version HTTP/1.1"
    fields: list[str] = field(default_factory=list)
    sends: str = ""
    has: list[str] = field(default_factory=list)
    lacks: list[str] = field(default_factory=list)
    interim: list[int] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def method(self) -> bytes:
        return self.request.split(" ")[0].encode()

    def sent(self, mint: TokenMint) -> bytes:
        usual = ["Host: proxy.test", "Authorization: Bearer <commercial>"]
        return wire("\r\n".join([self.request, *usual, *self.fields]) + "\r\n\r\n" + self.sends, mint)

    def steps(self) -> list[Step]:
        return [_step(item) for item in self.upstream]


def _step(item: str | dict[str, Any]) -> Step:
    match item:
        case "close":
            return Close()
        case "reset":
            return Reset()
        case "body":
            return AwaitBody()
        case str(text):
            return Send(wire(text))
        case {"pause": seconds}:
            return Pause(float(seconds))
        case _:
            raise ValueError(f"{item!r} is no step")


def request_cases() -> list[Any]:
    """Every request case as a pytest parameter, named after its file and itself."""
    return [
        pytest.param(_request(row), id=f"{name}: {row['case']}") for name, row in _rows(FOLDER / "requests")
    ]


def response_cases() -> list[Any]:
    return [
        pytest.param(ResponseCase(**row), id=f"{name}: {row['case']}")
        for name, row in _rows(FOLDER / "responses")
    ]


def _request(row: dict[str, Any]) -> RequestCase:
    answers = [(int(status), str(Reason(reason))) for status, reason in row["answers"]]
    return RequestCase(**{**row, "answers": answers})


def _rows(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for path in sorted(folder.glob("*.yaml")):
        document = yaml.safe_load(path.read_text("utf-8"))
        usual = document.get("defaults", {})
        found += [(path.stem, {**usual, **row}) for row in document["cases"]]
    names = [(name, row["case"]) for name, row in found]
    assert len(set(names)) == len(names), "two cases of one file have the same name"
    return found
