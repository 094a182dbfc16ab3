"""`moratorium audit report`: what was decided in a range of time, for the law and the public."""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

from proxy.audit.checkpoint import Signer
from proxy.audit.findings import Flaw
from proxy.audit.reading import files_of
from proxy.audit.summary import summary
from proxy.cli.audit.extra import reporting
from proxy.cli.audit.files import add_trust, bytes_of, key_in, verified
from proxy.cli.audit.key import signer_of
from proxy.cli.audit.ranges import add_range, both_ends, instant
from proxy.cli.audit.written import apart, written
from proxy.cli.output import add_output, print_facts, print_json
from proxy.cli.policies import read_sources
from proxy.errors import SettingsError, SignatureInvalid
from proxy.policy.document import build
from proxy.reporting.report.chains import Chains
from proxy.reporting.report.content import content_of
from proxy.reporting.report.csv import csv_of
from proxy.reporting.report.html import html_of
from proxy.reporting.report.json import check, json_of
from proxy.reporting.report.model import Asked, Range, Report
from proxy.reporting.report.policies import Known
from proxy.version import __version__

FORMATS = ("json", "html", "csv", "pdf")


def arguments(parser: argparse.ArgumentParser) -> None:
    add_output(parser)
    told = "audit files, also .gz, or folders with nothing else"
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help=told)
    add_trust(parser)
    add_range(parser)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where report.html and the others go")
    parser.add_argument(
        "--format", action="append", choices=FORMATS, help="only this one; may be there several times"
    )
    parser.add_argument(
        "--policy",
        type=Path,
        nargs="+",
        action="append",
        default=[],
        metavar="FILE",
        help="the files of one policy that was in force; may be there several times",
    )
    parser.add_argument(
        "--small", type=int, default=5, metavar="N", help="withhold numbers below this; default: 5"
    )
    parser.add_argument("--title", default="Transparency report on face recognition calls")
    parser.add_argument("--operator", default="", help="whose report it is")
    parser.add_argument("--sign", type=Path, metavar="KEY", help="PEM private key that signs report.json")
    parser.add_argument("--at", metavar="WHEN", help="when the report says it was made; default: now")
    parser.add_argument("--check", type=Path, metavar="REPORT", help="check the signature of a report.json")


def run(args: argparse.Namespace, env: Mapping[str, str]) -> int:
    if args.check is not None:
        return _check(args.check, args.key)
    asked = _asked(args)
    signer = signer_of(args.sign, env) if args.sign is not None else None
    known = _known(args.policy, env)
    files = files_of(args.files)
    apart("--out", args.out / "report", files, args.files)
    chains = Chains(asked.range)
    verification = verified(files, args.key, args.witness, chains.feed)
    damaged = {finding.place.file for finding in verification.findings if finding.flaw is Flaw.DAMAGED}
    left_out = [file for file in files if str(file) in damaged]
    told = summary(verification, len(files))
    report: Report = reporting("report.make").make(asked, files, left_out, chains, told, known)
    written = _write(report, args.out, args.format or FORMATS, signer)
    _show(report, written, args.output)
    return 1 if told["findings"] else 0


def _asked(args: argparse.Namespace) -> Asked:
    needed = {"--from": args.start, "--to": args.end, "--out": args.out, "FILE": args.files}
    problems = [f"{name}: is needed" for name, value in needed.items() if not value]
    if not args.title.strip():
        problems.append("--title: a report must have one")
    if args.small < 1:
        problems.append("--small: must be at least 1, which withholds nothing")
    if problems:
        raise SettingsError(problems)
    start, end = both_ends(args)
    made = instant("--at", args.at) if args.at else float(int(time.time()))
    return Asked(Range(start, end), made, __version__, args.small, args.title, args.operator)


def _known(policies: list[list[Path]], env: Mapping[str, str]) -> list[Known]:
    """The policies in these files. Raises `PolicyError`."""
    timezone = env.get("MORATORIUM_TIMEZONE") or "UTC"
    return [
        Known(build(*read_sources(paths), timezone=timezone), tuple(path.name for path in paths))
        for paths in policies
    ]


def _write(report: Report, out: Path, formats: Sequence[str], signer: Signer | None) -> dict[str, str]:
    """The files, and the digest of each. Raises `SettingsError`."""
    json = json_of(report, signer)
    digest = sha256(json).hexdigest() if "json" in formats else None
    makers: dict[str, Callable[[], bytes]] = {
        "json": lambda: json,
        "html": lambda: html_of(content_of(report, digest)).encode(),
        "csv": lambda: csv_of(report).encode(),
        "pdf": lambda: reporting("report.pdf").pdf_of(content_of(report, digest), report.made),
    }
    contents = {f"report.{kind}": makers[kind]() for kind in FORMATS if kind in formats}
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError([f"--out: {error.filename or out}: {error.strerror}"]) from None
    with ExitStack() as stack:  # all of them are whole before the first takes its place
        for name, content in contents.items():
            stack.enter_context(written(out / name)).write_bytes(content)
    return {str(out / name): sha256(content).hexdigest() for name, content in contents.items()}


def _show(report: Report, written: dict[str, str], output: str) -> None:
    findings = report.verification["findings"]
    if output == "json":
        print_json(
            {
                "range": report.range.members(),
                "decisions": report.totals.decisions,
                "withheld": report.rule.withheld,
                "gaps": len(report.gaps),
                "findings": len(findings),
                "written": written,
            }
        )
        return
    span = report.range.members()
    print_facts(
        [
            ("range", f"{span['from']} to {span['to']}"),
            ("decisions", f"{report.totals.decisions:,}"),
            ("withheld", f"{report.rule.withheld:,} numbers"),
            ("gaps", f"{len(report.gaps):,}"),
            ("findings", f"{len(findings):,}: the numbers may be wrong" if findings else "none"),
            *(("written", f"{name}  sha256 {digest}") for name, digest in written.items()),
        ]
    )
    for name in report.strangers:
        print(f"moratorium: --policy {name}: no record of the range names this policy", file=sys.stderr)
    for finding in findings[:3]:
        print(f"moratorium: {finding['flaw']} at {finding['place']}: {finding['says']}", file=sys.stderr)


def _check(path: Path, key: Path | None) -> int:
    """Whether a report is as its key has signed it."""
    if key is None:
        raise SettingsError(["--key: is needed, or anybody could have signed it"])
    try:
        fields = check(bytes_of(path), key_in(key))
    except SignatureInvalid as error:
        print(f"moratorium: {path}: {error.why}", file=sys.stderr)
        return 1
    span = fields["range"]
    print(f"signed by {key_in(key).name}: {fields['title']}, {span['from']} to {span['to']}")
    return 0
