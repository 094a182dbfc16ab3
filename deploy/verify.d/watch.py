"""The demo's face server, issuer and proxy under a real Prometheus: watch.py SCRATCH CHECKOUT.

The demo's cast calls until every series has moved; then each expression of the dashboard must give series, no
rule may be in error, and nothing may be counted that is not in the audit.
"""
# ruff: noqa: TID251  (a check is its own program: it reads the environment and speaks HTTP)

import asyncio
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp

from proxy.demo.callers import CAST
from proxy.demo.calls import call, mint_token
from proxy.demo.children import child
from proxy.demo.stage import Stage, stage

ROUNDS = 4
SCRAPE_SECONDS = 1
# The demo's policy has no edge to come and no shadow mode, and its face API wants no credential, so these
# have nothing to say. Else all must.
MAY_BE_EMPTY = frozenset(
    {"Time to the next change", "Let through by shadow mode", "Until the credential ends"}
)

CONFIG = """\
global: {{scrape_interval: {seconds}s, evaluation_interval: {seconds}s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: moratorium
    static_configs: [{{targets: ["{target}"]}}]
"""


async def main(folder: Path, root: Path) -> int:
    env = dict(os.environ)
    async with stage(env, usual_ports=False, report=_say) as demo:
        config = folder / "prometheus.yml"
        config.write_text(
            CONFIG.format(
                seconds=SCRAPE_SECONDS,
                rules=root / "config/prometheus/rules.yml",
                target=demo.metrics.removeprefix("http://"),
            )
        )
        address = f"127.0.0.1:{_free_port()}"
        command = [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address={address}",
        ]
        async with child("prometheus", command, env, folder) as prometheus:
            _say("Prometheus", await prometheus.answers(f"http://{address}/-/ready"))
            await _calls(demo)
            await asyncio.sleep(3 * SCRAPE_SECONDS)
            async with aiohttp.ClientSession() as session:
                problems = await _dashboard(session, address, root)
                problems += await _rules(session, address)
                problems += await _counted(session, address, demo)
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    return 1 if problems else 0


async def _calls(demo: Stage) -> None:
    began = time.monotonic()
    for _ in range(ROUNDS):
        for caller in CAST:
            await asyncio.to_thread(call, caller, demo.proxy, mint_token(caller, demo.mint))
        await asyncio.sleep(SCRAPE_SECONDS)
    _say(f"{ROUNDS * len(CAST)} calls", time.monotonic() - began)


async def _ask(session: aiohttp.ClientSession, url: str, **query: str) -> Any:
    async with session.get(url, params=query) as answer:
        document = await answer.json()
    if document["status"] != "success":
        raise ValueError(document["error"])
    return document["data"]


async def _dashboard(session: aiohttp.ClientSession, address: str, root: Path) -> list[str]:
    dashboard = json.loads((root / "config/grafana/dashboards/moratorium.json").read_text("utf-8"))
    asked, problems = 0, []
    for title, expression in expressions(dashboard):
        asked += 1
        try:
            data = await _ask(session, f"http://{address}/api/v1/query", query=expression)
        except ValueError as error:
            problems.append(f"{title}: {error}")
            continue
        if not data["result"] and title not in MAY_BE_EMPTY:
            problems.append(f"{title}: no series for {expression}")
    sys.stdout.write(f"= {asked} expressions of the dashboard asked, {asked - len(problems)} answered\n")
    return problems


def expressions(dashboard: dict[str, Any]) -> list[tuple[str, str]]:
    """Every expression as Grafana would send it with all variables on "All", with its panel's title."""
    found = [
        (panel["title"], target["expr"])
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    ]
    variables = {f"${v['name']}": v.get("allValue", "") for v in dashboard["templating"]["list"]}
    for name, value in {"$__rate_interval": "1m", "$__range": "1m", **variables}.items():
        found = [(title, expression.replace(name, value)) for title, expression in found]
    return found


async def _rules(session: aiohttp.ClientSession, address: str) -> list[str]:
    data = await _ask(session, f"http://{address}/api/v1/rules")
    rules = [rule for group in data["groups"] for rule in group["rules"]]
    sys.stdout.write(f"= {len(rules)} rules evaluated on the proxy's own series\n")
    bad = [f"rule {r['name']}: {r['health']} {r.get('lastError', '')}" for r in rules if r["health"] != "ok"]
    firing = [f"alert {r['name']} fires on the demo" for r in rules if r.get("state") == "firing"]
    return bad + firing


async def _counted(session: aiohttp.ClientSession, address: str, demo: Stage) -> list[str]:
    """Metrics and audit tell the same story."""
    data = await _ask(
        session, f"http://{address}/api/v1/query", query="sum by (decision) (moratorium_decisions_total)"
    )
    counted = {s["metric"]["decision"]: int(float(s["value"][1])) for s in data["result"]}
    recorded: dict[str, int] = dict.fromkeys(counted, 0)
    for line in demo.audit.read_text("utf-8").splitlines():
        decision = json.loads(line).get("decision")
        if decision is not None:
            recorded[decision] = recorded.get(decision, 0) + 1
    sys.stdout.write(f"= counted {counted}, recorded the same\n" if counted == recorded else "")
    return [] if counted == recorded else [f"counted {counted}, but the audit has {recorded}"]


def _say(what: str, seconds: float) -> None:
    sys.stdout.write(f"{seconds:6.1f} s  {what}\n")


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port


if __name__ == "__main__":
    work = Path(sys.argv[1]) / "watch"
    work.mkdir()
    sys.exit(asyncio.run(main(work, Path(sys.argv[2]))))
