"""Which policy a verb is asked about, as it was known when; and instants, which are read in its zone."""

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from proxy.assembly.files import texts_of
from proxy.assembly.policy import make_policy, sources_of
from proxy.errors import PolicyError, SettingsError
from proxy.policy.callers import FOREVER, Instant
from proxy.policy.cases import SUFFIX
from proxy.policy.document import Source, build, parse, zone_of
from proxy.policy.instants import parse_instant
from proxy.policy.model import Mode, Policy
from proxy.settings import read_settings


class Reading(NamedTuple):
    """A policy, and how it was read.

    `elsewhere`: moratoria left out, as about other backends only. `zones`: where each one's dates are read.
    """

    policy: Policy
    zone: ZoneInfo
    known_at: Instant = FOREVER
    elsewhere: tuple[str, ...] = ()
    zones: Mapping[str, ZoneInfo] = {}

    def instant(self, option: str, text: str | None) -> Instant:
        """An instant from the command line, else now. A date is midnight in the policy's zone."""
        return time.time() if text is None else _instant(option, text, self.zone)


def add_policy(parser: argparse.ArgumentParser) -> None:
    """The options that say which policy is meant."""
    parser.add_argument(
        "--policy",
        type=Path,
        nargs="+",
        action="extend",
        metavar="FILE",
        help="policy files or folders of them instead of the settings'",
    )
    parser.add_argument("--known-at", metavar="DAY", help="by what was recorded up to that day")


def read(args: argparse.Namespace, env: Mapping[str, str], backend: str | None = None) -> Reading:
    """The policy that `add_policy`'s options name. `backend`: leave out what is about other backends only.

    Raises `PolicyError`, `SettingsError`.
    """
    timezone = env.get("MORATORIUM_TIMEZONE") or "UTC"
    mode, unknown = Mode.ENFORCE, "refuse"
    if args.policy is None:
        settings = read_settings(env)
        texts = texts_of(settings)
        make_policy(settings, texts)
        sources: Sequence[Source] = sources_of(settings, texts)
        timezone, backend = settings.timezone, backend or settings.backend
        mode, unknown = Mode(settings.mode), settings.unknown_operation
    else:
        sources = read_sources(args.policy)
    build(*sources, timezone=timezone)  # before its time zones are looked at
    when = known_at(args.known_at, sources, timezone)

    def built(backend: str | None) -> Policy:
        return build(
            *sources,
            mode=mode,
            unknown_operation="allow" if unknown == "allow" else "refuse",
            timezone=timezone,
            known_at=when,
            backend=backend,
        )

    policy = built(backend)
    here = {m.id for m in policy.moratoria}
    elsewhere = tuple(m.id for m in built(None).moratoria if m.id not in here)
    zones = {m["id"]: zone_of(source, timezone) for source in sources for m in source.document["moratorium"]}
    return Reading(policy, _zone(sources, timezone), when, elsewhere, zones)


def read_sources(paths: Sequence[Path]) -> list[Source]:
    """The documents in these files and folders. Cases, which stand beside policies, are passed over.

    Raises `PolicyError` with what cannot be read of any of them.
    """
    sources, problems = [], []
    files = [f for path in paths for f in (sorted(path.glob("*.toml")) if path.is_dir() else [path])]
    for path in files:
        if path.name.endswith(SUFFIX):
            continue
        try:
            sources.append(parse(path.read_text("utf-8"), str(path)))
        except PolicyError as error:
            problems += error.problems
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}")
    if not sources and not problems:
        problems.append(f"{', '.join(map(str, paths))}: no policy file")
    if problems:
        raise PolicyError(problems)
    return sources


def _zone(sources: Sequence[Source], timezone: str) -> ZoneInfo:
    """The zone that all files share, else that of the settings."""
    zones = {zone_of(source, timezone) for source in sources}
    return zones.pop() if len(zones) == 1 else ZoneInfo(timezone)


def known_at(text: str | None, sources: Sequence[Source], timezone: str) -> Instant:
    """What each file records under that date is known: the midnight that comes last counts.

    Raises `SettingsError`.
    """
    if text is None:
        return FOREVER
    return max(_instant("--known-at", text, zone_of(source, timezone)) for source in sources)


def _instant(option: str, text: str, zone: ZoneInfo) -> Instant:
    try:
        return parse_instant(text, zone)
    except ValueError as error:
        raise SettingsError([f"{option}: {error}"]) from None
