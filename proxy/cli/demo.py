"""The verb `demo`: a real face recogniser behind the proxy, and what becomes of nine calls."""

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Mapping

_NEEDS = ("boto3", "dlib", "face_recognition_models", "numpy", "PIL")
_USAGE_ERROR = 2


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's own arguments."""
    parser.add_argument(
        "--once", action="store_true", help="end after the calls: status 0 if all came as expected, else 1"
    )


def run(args: argparse.Namespace, env: Mapping[str, str]) -> int:
    """Run the demonstration; the exit status."""
    if any(importlib.util.find_spec(name) is None for name in _NEEDS):
        print("The demo needs a few more packages: pip install 'moratorium[demo]'", file=sys.stderr)
        return _USAGE_ERROR
    # Loaded by name: `moratorium help` must work without the demo's packages.
    status: int = importlib.import_module("proxy.demo.play").play(env, once=args.once)
    return status
