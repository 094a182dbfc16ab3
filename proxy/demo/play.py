"""The whole demonstration: start, let everyone call, show what happened, stay up or end."""

import asyncio
import signal
import sys
from collections.abc import Mapping

from rich.console import Console

from proxy.demo import show
from proxy.demo.callers import CAST
from proxy.demo.calls import Outcome, call, mint_token
from proxy.demo.children import StartError
from proxy.demo.evidence import differences, gather
from proxy.demo.stage import Stage, stage

INTERRUPTED = 130

# SIGHUP too: the children have sessions of their own and would outlive a closed terminal.
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def play(env: Mapping[str, str], *, once: bool) -> int:
    """Run the demonstration. 0: everything came as expected; 1: something did not; 130: broken off."""
    try:
        return asyncio.run(_until_told(env, once))
    except asyncio.CancelledError:
        return INTERRUPTED
    except StartError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


async def _until_told(env: Mapping[str, str], once: bool) -> int:
    task = asyncio.ensure_future(_perform(env, once))
    for number in _ENDINGS:
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await task


async def _perform(env: Mapping[str, str], once: bool) -> int:
    out = show.console()
    out.print(f"[bold]moratorium demo[/]: a real face recogniser, the proxy before it, {len(CAST)} calls\n")
    with out.status("starting") as status:
        async with stage(
            env, usual_ports=not once, report=lambda what, seconds: show.started(out, what, seconds)
        ) as set_up:
            outcomes = []
            for number, caller in enumerate(CAST, 1):
                status.update(f"call {number} of {len(CAST)}: {caller.who}, {caller.asks}")
                token = mint_token(caller, set_up.mint)
                outcomes.append(await asyncio.to_thread(call, caller, set_up.proxy, token))
            status.stop()
            found = await _account(out, set_up, outcomes)
            if not once:
                await _stay(out, set_up)
    return 1 if found else 0


async def _account(out: Console, set_up: Stage, outcomes: list[Outcome]) -> list[str]:
    """Show every record of the calls; gives what differs from what had to be."""
    evidence = await gather(set_up, outcomes)
    found = differences(outcomes, evidence)
    out.print()
    out.print(show.calls(outcomes, evidence, out.width))
    out.print(show.blocked(outcomes), soft_wrap=True)
    out.print(show.counters(evidence, out.width))
    out.print(show.audit(outcomes, evidence, out.width))
    out.print(show.upstream(outcomes, evidence))
    out.print(show.account(evidence))
    out.print()
    out.print(show.verdict(outcomes, found))
    return found


async def _stay(out: Console, set_up: Stage) -> None:
    out.print()
    out.print(show.next_steps(set_up), soft_wrap=True)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        # Being told to end is how a demo ends.
        out.print("\nending")
