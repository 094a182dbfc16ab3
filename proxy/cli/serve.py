"""`moratorium serve`: run the proxy until SIGTERM."""

import argparse
import gc
import time
from collections.abc import Mapping
from pathlib import Path

import uvloop

from proxy.app import Application
from proxy.assembly.distribution import make_subscription
from proxy.cli.main import environment
from proxy.distribution.subscription import Subscription
from proxy.logs import set_up
from proxy.settings import read_settings
from proxy.watch import Watch
from proxy.workers.configuration import Configuration
from proxy.workers.parent import Parent


def arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments: everything is a setting."""


def run(args: argparse.Namespace, env: Mapping[str, str]) -> int:
    watch = Watch(_env_file(args, env))
    configuration = Configuration.read(env, watch)
    subscription = make_subscription(configuration.settings, time.time)
    set_up(configuration.settings.log_level)
    if configuration.settings.workers == 1:
        uvloop.run(_serve(configuration, watch, args, subscription))
    else:
        uvloop.run(_serve_with_workers(configuration, watch, args, subscription))
    return 0


def _env_file(args: argparse.Namespace, env: Mapping[str, str]) -> Path | None:
    if args.env_file is not None:
        return Path(args.env_file)
    named = env.get("MORATORIUM_ENV_FILE", "")
    return Path(named) if named else None


async def _serve(
    start: Configuration, watch: Watch, args: argparse.Namespace, subscription: Subscription | None
) -> None:
    application = Application(
        start.settings,
        start.policy,
        reread=lambda: read_settings(environment(args.env_file)),
        watch=watch,
        subscription=subscription,
    )
    # What exists now lives as long as the process: keep the collector from walking it again and again.
    gc.collect()
    gc.freeze()
    await application.run()


async def _serve_with_workers(
    start: Configuration, watch: Watch, args: argparse.Namespace, subscription: Subscription | None
) -> None:
    def reread() -> Configuration:
        return Configuration.read(environment(args.env_file), watch)

    parent = Parent(start, reread, watch, time.time, subscription)
    await parent.run()
