"""`moratorium audit export`: what one organisation can be given, and check without us."""

import argparse
import gzip
import json
import os
import shutil
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

from proxy.audit.reading import DAMAGED, files_of
from proxy.audit.record import stamp
from proxy.audit.summary import summary
from proxy.audit.verify import Verification
from proxy.cli.audit.files import add_files, add_trust, bytes_of, key_in, verified
from proxy.cli.audit.ranges import add_range, range_of
from proxy.cli.audit.written import apart
from proxy.cli.output import add_output, print_facts, print_json
from proxy.cli.policies import read_sources
from proxy.errors import SettingsError
from proxy.policy.document import build, revised
from proxy.reporting.bundle import Collector, Part, Wanted, time_of
from proxy.version import __version__

OFFLINE = Path(__file__).parents[2] / "reporting" / "offline"
SCRIPT = "verify.py"
SHOWN = 5


def arguments(parser: argparse.ArgumentParser) -> None:
    add_output(parser)
    add_files(parser)
    add_trust(parser)
    parser.add_argument("--org", required=True, metavar="ID", help="the organisation, as `org_id` in records")
    parser.add_argument("--only-caller", action="store_true", help="not where it had another part in a call")
    add_range(parser)
    parser.add_argument(
        "--policy",
        type=Path,
        nargs="+",
        action="append",
        default=[],
        metavar="FILE",
        help="files of one policy by which records were decided; may be given again",
    )
    parser.add_argument("--out", type=Path, required=True, help="a new folder, or a new file ending in .zip")
    parser.add_argument("--despite-findings", action="store_true", help="also from a log that is not whole")


def run(args: argparse.Namespace, env: Mapping[str, str]) -> int:
    if args.key is None:
        raise SettingsError(["--key: without the public key of the log nothing is proved"])
    if args.out.exists():
        raise SettingsError([f"{args.out}: is there already"])
    wanted = Wanted(args.org, *range_of(args), args.only_caller)
    policies = _policies(args.policy, env)
    files = files_of(args.files)
    apart("--out", args.out, files, args.files)
    try:
        with tempfile.TemporaryDirectory(dir=args.out.parent, prefix=".export-") as name:
            report = _export(files, args, wanted, policies, Path(name) / "bundle")
    except OSError as error:
        raise SettingsError([f"{args.out}: {error.strerror}"]) from None
    if report is None:
        return 1
    _show(report, args)
    return 0


def _export(
    files: Sequence[Path],
    args: argparse.Namespace,
    wanted: Wanted,
    policies: Mapping[str, bytes],
    folder: Path,
) -> dict[str, Any] | None:
    """Make the bundle in this folder and hand it over; what was found, or None if there is to be none."""
    folder.mkdir()
    verification, collector = _collect(files, args, wanted, folder)
    report = _report(summary(verification, len(files)), collector, args)
    if _refused(report, verification, despite=args.despite_findings):
        return None
    _complete(folder, report, collector, policies, args.key)
    _hand_over(folder, args.out)
    return report


def _policies(groups: Sequence[Sequence[Path]], env: Mapping[str, str]) -> dict[str, bytes]:
    """By revision, what it is the digest of. Raises `PolicyError`, `SettingsError`."""
    timezone, found = env.get("MORATORIUM_TIMEZONE") or "UTC", {}
    for paths in groups:
        sources = read_sources(paths)
        build(*sources, timezone=timezone)
        text = revised(sources, timezone)
        found[sha256(text).hexdigest()] = text
    return found


def _collect(
    files: Sequence[Path], args: argparse.Namespace, wanted: Wanted, folder: Path
) -> tuple[Verification, Collector]:
    """Read the log once: for its verification, and for what is wanted of it."""
    with ExitStack() as stack:
        parts = {part: stack.enter_context((folder / part).open("wb")) for part in Part}
        collector = Collector(wanted, key_in(args.key), lambda part, line: parts[part].write(line))
        verification = verified(sorted(files, key=_began), args.key, args.witness, collector.feed)
        collector.finish()
    return verification, collector


def _began(path: Path) -> str:
    """When the first record of a file was written."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as lines:
            return time_of(lines.readline())
    except DAMAGED:
        return ""
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}"]) from None


def _report(found: dict[str, Any], collector: Collector, args: argparse.Namespace) -> dict[str, Any]:
    """What was asked for and what was found. Where files lie on this machine is nobody's business."""
    counts, wanted = collector.counts, collector.wanted
    log = {name: value for name, value in found.items() if name not in ("findings", "torn_at_the_end")}
    return {
        "v": 1,
        "organisation": wanted.organisation,
        "from": wanted.since,
        "to": wanted.until,
        "only_caller": wanted.only_caller,
        "records": counts[Part.RECORDS],
        "unproved": counts[Part.UNPROVED],
        "outcomes": counts[Part.OUTCOMES],
        "parts": dict(sorted(collector.roles.items())),
        "policies": sorted(collector.policies),
        "findings": dict(sorted(Counter(finding["flaw"] for finding in found["findings"]).items())),
        "log": log,
        "witness_given": args.witness is not None,
        "made_at": stamp(time.time()),
        "release": __version__,
    }


def _refused(report: dict[str, Any], verification: Verification, *, despite: bool) -> bool:
    """Whether there is nothing to give, or nothing to be trusted."""
    if not report["records"] and not report["unproved"]:
        print(f"moratorium: no record of {report['organisation']} in these files", file=sys.stderr)
        return True
    if not report["records"] and not despite:
        print("moratorium: no signature by this key is over any record of it, yet", file=sys.stderr)
        return True
    for finding in verification.findings[:SHOWN]:
        print(f"moratorium: {finding.flaw}: {finding.place}: {finding.says}", file=sys.stderr)
    if verification.findings and not despite:
        print(
            f"moratorium: {len(verification.findings)} findings, see `audit verify`; nothing was written "
            "(--despite-findings writes all the same, and says so)",
            file=sys.stderr,
        )
        return True
    return False


def _complete(
    folder: Path, report: dict[str, Any], collector: Collector, policies: Mapping[str, bytes], key: Path
) -> None:
    """Add what is not read from the log. Raises `SettingsError`."""
    strange = sorted(set(policies) - collector.policies)
    if strange:
        raise SettingsError([f"--policy: no record was decided by revision {name}" for name in strange])
    (folder / "policies").mkdir()
    for revision, text in policies.items():
        (folder / "policies" / f"{revision}.json").write_bytes(text)
    (folder / "audit-public.pem").write_bytes(bytes_of(key))
    shutil.copyfile(OFFLINE / SCRIPT, folder / SCRIPT)
    (folder / "verification.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    (folder / "README.txt").write_text(_readme(report), "utf-8")


def _readme(report: Mapping[str, Any]) -> str:
    title = f"What was decided about calls of {report['organisation']}"
    found = ", ".join(f"{count} times `{flaw}`" for flaw, count in report["findings"].items())
    others = ", the one that a call is made for,\none of those that act for it, or one of those above it."
    return (
        (OFFLINE / "README.txt")
        .read_text("utf-8")
        .format(
            organisation=report["organisation"],
            underline="=" * len(title),
            unproved=report["unproved"],
            outcomes=report["outcomes"],
            findings=found or "nothing wrong",
            parts="." if report["only_caller"] else others,
        )
    )


def _hand_over(folder: Path, out: Path) -> None:
    """The whole bundle at its place at one stroke."""
    if out.suffix != ".zip":
        folder.rename(out)
        return
    packed = folder.with_suffix(".zip")
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    os.replace(packed, out)


def _show(report: dict[str, Any], args: argparse.Namespace) -> None:
    if args.output == "json":
        print_json(report)
        return
    parts = ", ".join(f"{count:,} as {part}" for part, count in report["parts"].items())
    facts = [
        ("organisation", report["organisation"]),
        ("proved", f"{report['records']:,} records"),
        ("not proved", f"{report['unproved']:,} records, {report['outcomes']:,} ends of calls"),
        ("its part", parts),
        ("policies", f"{len(report['policies']):,} revisions"),
        ("bundle", str(args.out)),
        ("to check it", f"python3 {SCRIPT} --key KEY.pem, in it"),
    ]
    print_facts(facts)
