"""`moratorium serve`: run the proxy until SIGTERM."""

import argparse
import gc
from collections.abc import Mapping

import uvloop

from proxy.app import Application
from proxy.assembly import make_policy
from proxy.cli.main import environment
from proxy.logs import set_up
from proxy.policy.model import Policy
from proxy.settings import Settings, read_settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments: everything is a setting."""


def run(args: argparse.Namespace, env: Mapping[str, str]) -> int:
    settings = read_settings(env)
    policy = make_policy(settings)
    set_up(settings.log_level)
    uvloop.run(_serve(settings, policy, args))
    return 0


async def _serve(settings: Settings, policy: Policy, args: argparse.Namespace) -> None:
    application = Application(settings, policy, reread=lambda: read_settings(environment(args.env_file)))
    # What exists now lives as long as the process: keep the collector from walking it again and again.
    gc.collect()
    gc.freeze()
    await application.run()
