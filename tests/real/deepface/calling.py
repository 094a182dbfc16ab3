"""Makes the calls of the cast and says what each client saw."""

import re
from dataclasses import dataclass

from proxy.testing import TokenMint
from tests.real.deepface.cast import EXPIRED, FORGED, ITS_400, NOBODY, SEES, SERVERS_KEY, Call
from tests.real.deepface.stage import ANY, INLINE, Answer, Stage

# A traceback shows where objects lie in memory, which differs from call to call.
_ADDRESS = re.compile(rb"0x[0-9a-f]+")


@dataclass(frozen=True)
class Outcome:
    """What a client got for a call of the cast, and which credential it had shown."""

    call: Call
    answer: Answer
    saw: str
    bearer: str


async def make(call: Call, stage: Stage) -> Outcome:
    """Make one call through the proxy; one that the server refuses itself is made directly too."""
    bearer = _bearer(call, stage)
    media = ANY if call.any_media else INLINE
    answer = await stage.through(bearer, call.path, call.body, media=media, method=call.method)
    saw = ""
    if answer.status == 200:
        saw = SEES[call.path](answer.json()) if call.path in SEES else ""
    elif answer.status == 400:
        same = await stage.direct(call.path, call.body, method=call.method)
        saw = ITS_400 if _comparable(same) == _comparable(answer) else "another 400 than the server's own"
    return Outcome(call, answer, saw, bearer)


def _bearer(call: Call, stage: Stage) -> str:
    match call.shows:
        case "":
            return stage.mint.token(**call.claims)
        case _ if call.shows == EXPIRED:
            return stage.mint.token(expires_in=-3600, **call.claims)
        case _ if call.shows == FORGED:
            return TokenMint(kid=stage.mint.kid).token(**call.claims)
        case _ if call.shows == SERVERS_KEY:
            return stage.server.key
        case _:
            assert call.shows == NOBODY
            return ""


def _comparable(answer: Answer) -> tuple[int, str, bytes]:
    return answer.status, answer.headers["Content-Type"], _ADDRESS.sub(b"0x", answer.body)
