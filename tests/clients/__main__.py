"""`./run python -m tests.clients [CLIENT ...]`: every client through every case; status 1 if one goes wrong.

`--cache` keeps the clients' environments for the next time. `--write docs/clients.md` writes the page.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.clients.expected import faults
from tests.clients.installing import NotInstalledError, install
from tests.clients.listed import CLIENTS, Client, driven
from tests.clients.page import Seen, row, write_page
from tests.clients.real import Real, compared
from tests.clients.stand import WELL, stand
from tests.clients.trial import outcomes

SKIPPED = 77


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def try_out(client: Client, cache: Path) -> tuple[Seen, list[str]]:
    """All cases of one client, and everything that went wrong with it."""
    wrong = []
    with tempfile.TemporaryDirectory(prefix="moratorium-clients-") as name:
        folder = Path(name)
        async with stand(client.dialect, folder) as built, driven(client, cache, built, folder) as running:
            seen = Seen(client, running.version, ())
            async for outcome in outcomes(client, running, built, folder):
                seen = seen._replace(outcomes=(*seen.outcomes, outcome))
                say(row(seen, outcome).strip())
                wrong += [f"{client.name}, {outcome.case}: {fault}" for fault in faults(client, outcome)]
            wrong += [f"{client.name}: the proxy says {said}" for said in built.proxies[WELL].complaints()]
            if built.face_api.leaked:
                wrong.append(f"{client.name}: the face API has seen {built.face_api.leaked} callers' tokens")
            if built.face_api.strange:
                wrong.append(f"{client.name}: {built.face_api.strange} calls without the face API's own key")
    return seen, wrong


async def main(names: Sequence[str], cache: Path, page: Path | None) -> int:
    seen: list[Seen] = []
    wrong, missing = [], []
    for client in CLIENTS:
        if names and client.name not in names:
            continue
        try:
            if client.installs:
                await asyncio.to_thread(install, client.installs, cache)
        except NotInstalledError as error:
            missing.append(f"{client.name}: {error}")
            continue
        one, faulty = await try_out(client, cache)
        seen.append(one)
        wrong += faulty
    real: list[Real] = []
    if not names:
        real, faulty = await compared([one.client for one in seen], cache)
        wrong += faulty
        for one_real in real:
            say(f"| {one_real.title} | a real recogniser | {one_real.saw} | 1 | {one_real.seconds:.2f} |")
    for fault in wrong:
        say(f"FAILED: {fault}")
    for lack in missing:
        say(f"cannot be had here: {lack}")
    calls = sum(len(one.outcomes) for one in seen)
    say(f"{calls} cases of {len(seen)} clients, {len(wrong)} faults")
    if page is not None and not (wrong or missing or names):
        text = write_page(seen, real, datetime.now(UTC).date())
        await asyncio.to_thread(page.write_text, text, "utf-8")
        say(f"written: {page}")
    return 1 if wrong else SKIPPED if missing else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description=__doc__)
    parser.add_argument("clients", nargs="*", metavar="CLIENT", help=", ".join(c.name for c in CLIENTS))
    parser.add_argument("--cache", type=Path, help="folder for the clients' environments")
    parser.add_argument("--write", type=Path, help="the page to write if all is well")
    arguments = parser.parse_args()
    if unknown := {*arguments.clients} - {client.name for client in CLIENTS}:
        parser.error(f"no such client: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="moratorium-clients-cache-") as scratch:
        cache = arguments.cache or Path(scratch)
        sys.exit(asyncio.run(main(arguments.clients, cache.absolute(), arguments.write)))
