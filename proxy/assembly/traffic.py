"""From settings to what the relay stands on: limits, addresses, connections to the face API."""

import dataclasses
import logging
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from proxy.assembly.parts import Tls, make_limits
from proxy.enforcer import Enforcer
from proxy.relay.addresses import Addresses
from proxy.relay.context import Context
from proxy.relay.descriptors import Shares, needed, raise_limit, share_out
from proxy.relay.pool import Pool
from proxy.settings import Settings
from proxy.settings.convert import contains

log = logging.getLogger("moratorium.app")


def make_shares(settings: Settings) -> Shares:
    """What the file descriptors are enough for, after asking for as many as it takes."""
    connections = settings.max_connections
    in_flight = settings.max_in_flight or connections
    limit = raise_limit(needed(connections=connections, in_flight=in_flight))
    shares = share_out(limit, connections=connections, in_flight=in_flight)
    if shares.connections < connections or shares.in_flight < in_flight:
        enough_for = f"{shares.connections} connections and {shares.in_flight} calls in flight"
        why = f"{limit} file descriptors are enough for {enough_for}"
        log.warning("fewer connections than set", extra={"why": why})
    return shares


def make_context(
    settings: Settings,
    shares: Shares,
    enforcer: Enforcer,
    tls: Tls,
    spawn: Callable[[Coroutine[Any, Any, None]], Any],
    hear: Callable[[bytes], None],
) -> Context:
    """What all client connections share. `hear` is told the face API's `Date` now and then."""
    upstream = settings.upstream
    addresses = Addresses(
        upstream.host,
        seconds=settings.upstream_resolve_seconds,
        clock=time.monotonic,
        spawn=spawn,
    )
    pool = Pool(
        addresses,
        upstream.port,
        tls=tls.upstream,
        server_name=settings.upstream_server_name or upstream.host,
        connect_seconds=settings.connect_seconds,
        idle_seconds=settings.upstream_idle_seconds,
        clock=time.monotonic,
    )
    return Context(
        enforcer=enforcer,
        pool=pool,
        limits=dataclasses.replace(make_limits(settings), connections=shares.connections),
        host=upstream.authority.encode(),
        now=time.monotonic,
        spawn=spawn,
        trusts=partial(contains, settings.trusted_proxies or ()),
        tell_addresses=settings.forward_client_address,
        hear=hear,
    )
