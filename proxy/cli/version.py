"""`moratorium version`."""

import argparse
import platform
from collections.abc import Mapping

from proxy.version import __version__


def arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def run(_args: argparse.Namespace, _env: Mapping[str, str]) -> int:
    print(f"moratorium {__version__} (Python {platform.python_version()})")
    return 0
