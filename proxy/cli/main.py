"""Finds the verb, reads the environment once, and turns errors into messages and exit codes.

0 fine · 1 a finding · 2 bad usage or settings · 3 policy invalid · 4 policy cases failed.
"""

import argparse
import contextlib
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

import proxy
from proxy.errors import CasesError, PolicyError, SettingsError
from proxy.settings.envfile import read_env_file

# Imported only when asked for: `serve` must not pay for terminal tables, nor `explain` for a server.
VERBS = {
    "serve": "run the proxy",
    "demo": "the main job on a real face recogniser, with real callers",
    "check": "check settings, keys and policy; every problem at once",
    "explain": "show one decision, for any instant, and why",
    "timeline": "show when which moratorium is in force",
    "test": "put cases to a policy: what each wants, and what the policy says",
    "simulate": "judge recorded decisions by another policy, and count what would be different",
    "audit": "is the log whole, what does it say, and whom can it be shown to",
    "bundle": "sign policy files for distribution, check a bundle, or look into one",
    "token": "mint a test token with a development key",
    "backends": "list backends, their operations and classes",
    "healthcheck": "ask a running proxy whether it is ready",
    "version": "show the version",
}


class Verb(Protocol):
    """What each module of `proxy.cli` offers."""

    def arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace, env: Mapping[str, str]) -> int: ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; gives the exit code."""
    if not hasattr(proxy, "MoratoriumError"):
        print(
            f"moratorium: another package called proxy is installed over this one, at {proxy.__file__};\n"
            "moratorium: install them in separate environments",
            file=sys.stderr,
        )
        return 2
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["help"]:
        words = [*words[1:2], "--help"]
    parser = argparse.ArgumentParser(
        prog="moratorium",
        description="Enforces moratoria on face recognition in front of a face API.",
        epilog="'moratorium VERB --help' tells about a verb.",
    )
    verb = _add_verbs(parser, VERBS, "proxy.cli", words)
    args = parser.parse_args(words)
    assert verb is not None  # noqa: S101
    try:
        code = verb.run(args, environment(args.env_file))
        sys.stdout.flush()  # what is still held back can find the reader gone, too
        return code
    except SettingsError as error:
        return _complain("settings", error.problems, 2)
    except CasesError as error:
        return _complain("cases", error.problems, 2)
    except PolicyError as error:
        return _complain("policy", error.problems, 3)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return _unread()


def _unread() -> int:
    """Whoever read the output has gone, as `head` does: nothing more to say, and not even at exit.

    As Python's documentation has it ("Note on SIGPIPE" of `signal`): the interpreter flushes at its end.
    """
    with contextlib.suppress(OSError, ValueError):  # no descriptor: what stands in for it cannot break
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _add_verbs(
    parser: argparse.ArgumentParser, verbs: Mapping[str, str], package: str, words: Sequence[str]
) -> Verb | None:
    """Tell the parser of all verbs, and of the one that is asked for what it takes."""
    subs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    name = next(iter(words), None)
    verb: Verb | None = None
    for known, text in verbs.items():
        sub = subs.add_parser(known, help=text, description=text[0].upper() + text[1:] + ".")
        if known != name:
            continue
        module = importlib.import_module(f"{package}.{known}")
        if hasattr(module, "VERBS"):
            verb = _add_verbs(sub, module.VERBS, module.__name__, words[1:])
        else:
            verb = cast("Verb", module)
            sub.add_argument(
                "--env-file", type=Path, help="read MORATORIUM_* settings from this file; real ones win"
            )
            verb.arguments(sub)
    return verb


def environment(env_file: Path | None) -> dict[str, str]:
    """The real environment over the env file's."""
    real = dict(os.environ)
    named = real.get("MORATORIUM_ENV_FILE", "")
    path = env_file or (Path(named) if named else None)
    if path is None:
        return real
    found = read_env_file(path)
    for warning in found.warnings:
        print(f"moratorium: warning: {warning}", file=sys.stderr)
    return {**found.values, **real}


def _complain(what: str, problems: list[str], code: int) -> int:
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    print(f"moratorium: {count} with the {what}:", file=sys.stderr)
    for problem in problems:
        print(f"  {problem}", file=sys.stderr)
    return code
