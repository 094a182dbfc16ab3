"""The metrics listener: `/metrics`, `/healthz`, `/readyz`, `/startupz`.

Never on the traffic port: no path there is free of a token (GHSA-5hvv-m4w4-gf6v).
"""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler


@dataclass(frozen=True, slots=True)
class Component:
    """One part that must be well for calls to be judged; `fault` None: it is."""

    name: str
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Probes:
    """Answers to the three questions that an orchestrator asks."""

    components: Callable[[], list[Component]]
    started: Callable[[], bool]
    draining: Callable[[], bool]


def make_health_app(registry: CollectorRegistry, probes: Probes) -> web.Application:
    """The application of the metrics listener."""

    async def alive(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "draining": probes.draining()})

    async def ready(_request: web.Request) -> web.Response:
        components = probes.components()
        well = not probes.draining() and all(part.fault is None for part in components)
        body = {
            "status": "ready" if well else "draining" if probes.draining() else "not ready",
            "components": {part.name: part.fault or "ok" for part in components},
        }
        return web.json_response(body, status=200 if well else 503)

    async def started(_request: web.Request) -> web.Response:
        done = probes.started()
        return web.json_response({"status": "started" if done else "starting"}, status=200 if done else 503)

    app = web.Application()
    app.router.add_get("/metrics", make_aiohttp_handler(registry))
    app.router.add_get("/healthz", alive)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/startupz", started)
    return app
