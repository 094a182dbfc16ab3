"""Puts one client through all cases and counts what reached the proxy and the face API meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from proxy.demo.calls import PHOTOS
from proxy.testing import TokenMint
from tests.clients.cases import Case, Outcome, Saw, claims
from tests.clients.driven import LARGE_BYTES, TRYING, Asked, Driven
from tests.clients.listed import Client
from tests.clients.stand import BLIND, DOWN, WELL, Stand

SOURCE, TARGET = PHOTOS / "eileen-collins-1.jpg", PHOTOS / "eileen-collins-2.jpg"
_PROXIES = {Case.DOWN: DOWN, Case.UNDECIDED: BLIND}
LASTING = (2.0, 4.0, 8.0, 16.0)
"""How long a token lasts that is to end while it is used; the next where the machine is too slow for it."""


async def outcomes(
    client: Client, driven: Driven, stand: Stand, folder: Path, cases: Iterable[Case] = Case
) -> AsyncIterator[Outcome]:
    """One outcome for each case, in their order: a client that does not give up can be asked nothing more."""
    large = folder / "large.jpg"
    large.write_bytes(bytes(LARGE_BYTES))
    for case in cases:
        outcome = await _outcome(client, driven, stand, case, large)
        stand.face_api.throttles = False
        yield outcome
        if outcome.saw.kind == TRYING:
            return


async def _outcome(client: Client, driven: Driven, stand: Stand, case: Case, large: Path) -> Outcome:
    port = stand.proxies[_PROXIES.get(case, WELL)].port
    token = _token(stand.mint, case)
    asked: Asked = {
        "endpoint": f"http://127.0.0.1:{port}",
        "port": port,
        "token": token,
        "source": str(large if case is Case.TOO_LARGE else SOURCE),
        "target": str(TARGET),
        "large": case is Case.TOO_LARGE,
        "session": f"{client.name} {case}",
    }
    if client.fetches:
        stand.token_file.write_text(token, "utf-8")
        asked["token"] = ""
    stand.face_api.throttles = case is Case.THROTTLED
    if case is Case.EXPIRED:
        await _use_up(client, driven, stand, asked)
    known, arrived = _known(stand), stand.face_api.calls
    saw, seconds = await driven.ask(asked)
    new = [record for record in stand.records() if record["id"] not in known]
    ids = {record["id"] for record in new}
    reasons = tuple(sorted({record["reason"] for record in new}))
    return Outcome(case, saw, len(ids), stand.face_api.calls - arrived, seconds, reasons)


async def _use_up(client: Client, driven: Driven, stand: Stand, asked: Asked) -> None:
    """Make one call that succeeds, and wait until its token has ended."""
    for seconds in LASTING:
        token = stand.mint.token(expires_in=seconds, **claims(Case.EXPIRED))
        ends = time.time() + seconds
        if client.fetches:
            stand.token_file.write_text(token, "utf-8")
        else:
            asked["token"] = token
        asked["session"] += " again"
        if not (await driven.ask(asked))[0].kind:
            # A platform that hands out tokens puts the next one into its place before the old one ends.
            stand.token_file.write_text(_token(stand.mint, Case.ALLOWED), "utf-8")
            await asyncio.sleep(ends - time.time() + 0.1)
            return
    # No call has succeeded while its token was good; what comes of the last one is said as it is.


def _known(stand: Stand) -> set[str]:
    return {record["id"] for record in stand.records()}


def _token(mint: TokenMint, case: Case) -> str:
    said = claims(case)
    if case is Case.BAD_TOKEN:
        forger = TokenMint(mint.issuer, mint.audience, kid=mint.kid)
        return forger.token(**said)
    return mint.token(expires_in=900, **said)


def result_of(saw: Saw) -> str:
    """For people, in one line."""
    if not saw.kind:
        return f"the answer ({saw.says})"
    return saw.kind + (f", `{saw.code}`" if saw.code else "")
