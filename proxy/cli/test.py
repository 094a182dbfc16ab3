"""`moratorium test`: cases beside the policy; what each wants, and what the policy says."""

import argparse
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from proxy.cli.junit import CaseResult, Suite, junit
from proxy.cli.output import add_output, print_facts, print_json, print_table
from proxy.errors import CasesError, PolicyError, SettingsError
from proxy.policy.cases import SUFFIX, Case, cases_of, parse_cases, policies_of
from proxy.policy.document import parse, zone_of
from proxy.simulation.coverage import Coverage, coverage
from proxy.simulation.trial import Court, Trial

FAILED = 4


class CaseFile(NamedTuple):
    """One case file with the policy that it is about."""

    path: Path
    court: Court
    cases: list[Case]


class Done(NamedTuple):
    """A suite that was run, and how long each case took."""

    suite: CaseFile
    trials: list[tuple[Trial, float]]

    @property
    def failed(self) -> list[Trial]:
        return [trial for trial, _ in self.trials if not trial.passed]


def arguments(parser: argparse.ArgumentParser) -> None:
    add_output(parser)
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help=f"case files or folders; default: every *{SUFFIX} beside the settings' policy files",
    )
    parser.add_argument("--junit", type=Path, metavar="OUT", help="write the results as JUnit XML")
    parser.add_argument("--coverage", action="store_true", help="list what of the policies no case touches")
    parser.add_argument("-v", "--verbose", action="store_true", help="list every case, not only failed ones")


def run(args: argparse.Namespace, env: Mapping[str, str]) -> int:
    suites = _suites(_files(args.files, env), env.get("MORATORIUM_TIMEZONE", "UTC"))
    done = [Done(suite, [_put(suite.court, case) for case in suite.cases]) for suite in suites]
    found = _coverage(done)
    if args.junit:
        _write(args.junit, done)
    if args.output == "json":
        print_json(_report(done, found))
    else:
        _show(done, found, coverage=args.coverage, verbose=args.verbose)
    return FAILED if any(d.failed for d in done) else 0


# ------------------------------------------------------------------ finding and reading


def _files(named: list[Path], env: Mapping[str, str]) -> list[Path]:
    if not named:
        policies = env.get("MORATORIUM_POLICY_FILE", "")
        named = list(dict.fromkeys(Path(name.strip()).parent for name in policies.split(",") if name.strip()))
        if not named:
            raise SettingsError(
                ["name case files, or set MORATORIUM_POLICY_FILE: they are looked for beside it"]
            )
    files: list[Path] = []
    for path in named:
        found = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
        if not found:
            raise SettingsError([f"{path}: there is no *{SUFFIX} in this folder"])
        files += found
    return list(dict.fromkeys(files))


def _suites(files: Iterable[Path], timezone: str) -> list[CaseFile]:
    """Every file read, with all that is wrong with any of them.

    Raises `PolicyError` when a policy is wrong, else `CasesError`.
    """
    suites: list[CaseFile] = []
    courts: dict[tuple[Path, ...], Court] = {}
    wrong_cases: list[str] = []
    wrong_policies: list[str] = []
    for path in files:
        try:
            suites.append(_suite(path, courts, timezone))
        except CasesError as error:
            wrong_cases += error.problems
        except PolicyError as error:
            wrong_policies += [problem for problem in error.problems if problem not in wrong_policies]
    if wrong_policies:
        raise PolicyError(wrong_policies + wrong_cases)
    if wrong_cases:
        raise CasesError(wrong_cases)
    return suites


def _suite(path: Path, courts: dict[tuple[Path, ...], Court], timezone: str) -> CaseFile:
    source = parse_cases(_read(path, CasesError), str(path))
    policies = tuple(path.parent / name for name in policies_of(source))
    sources = [parse(_read(policy, PolicyError), str(policy)) for policy in policies]
    if policies not in courts:
        courts[policies] = Court(sources, timezone)
    court = courts[policies]
    cases = cases_of(source, str(zone_of(sources[0], timezone)))
    problems = [
        f"{path}:{case.line}: {case.name!r}: {problem}" for case in cases if (problem := court.problem(case))
    ]
    if problems:
        raise CasesError(problems)
    return CaseFile(path, court, cases)


def _read(path: Path, wrong: type[CasesError | PolicyError]) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise wrong([f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}"]) from None


# ------------------------------------------------------------------ running


def _put(court: Court, case: Case) -> tuple[Trial, float]:
    begun = time.perf_counter()
    trial = court.put(case)
    return trial, time.perf_counter() - begun


def _coverage(done: list[Done]) -> dict[str, Coverage]:
    """By the policy files that cases are about: several case files may be about the same."""
    courts = {id(d.suite.court): d.suite.court for d in done}
    return {
        ", ".join(court.names): coverage(
            court.policy, [trial for d in done if d.suite.court is court for trial, _ in d.trials]
        )
        for court in courts.values()
    }


# ------------------------------------------------------------------ telling


def _failure(trial: Trial) -> str:
    lines = [f"{d.what}: wanted {d.wanted}, found {d.found}" for d in trial.differences]
    found = trial.verdict.reason, trial.verdict.detail
    return "\n".join([*lines, f"the policy says {': '.join(filter(None, found))}"])


def _write(path: Path, done: list[Done]) -> None:
    suites = [
        Suite(
            d.suite.path.name.removesuffix(SUFFIX),
            [
                CaseResult(
                    trial.case.name,
                    str(d.suite.path),
                    trial.case.line,
                    seconds,
                    None if trial.passed else _failure(trial),
                )
                for trial, seconds in d.trials
            ],
        )
        for d in done
    ]
    try:
        path.write_bytes(junit(suites))
    except OSError as error:
        raise SettingsError([f"--junit: {path}: {error.strerror}"]) from None


def _report(done: list[Done], found: dict[str, Coverage]) -> dict[str, Any]:
    return {
        "cases": sum(len(d.trials) for d in done),
        "failed": sum(len(d.failed) for d in done),
        "files": [
            {
                "file": str(d.suite.path),
                "policy": d.suite.court.policy.revision,
                "cases": [
                    {
                        "name": trial.case.name,
                        "line": trial.case.line,
                        "passed": trial.passed,
                        "seconds": round(seconds, 6),
                        "differences": [difference._asdict() for difference in trial.differences],
                    }
                    for trial, seconds in d.trials
                ],
            }
            for d in done
        ],
        "coverage": {
            name: {"total": c.total, "untouched": [gap._asdict() for gap in c.gaps]}
            for name, c in found.items()
        },
    }


def _show(done: list[Done], found: dict[str, Coverage], *, coverage: bool, verbose: bool) -> None:
    if verbose:
        rows = [
            ("ok" if trial.passed else "FAILED", d.suite.path.name, trial.case.name, trial.verdict.reason)
            for d in done
            for trial, _ in d.trials
        ]
        print_table(("result", "file", "case", "the policy says"), rows)
        print()
    for d in done:
        for trial in d.failed:
            print(f"{d.suite.path}:{trial.case.line}: {trial.case.name}")
            for what, wanted, was in trial.differences:
                print(f"  {what}\n    - {wanted}\n    + {was}")
            if trial.verdict.detail:
                print(f"  {trial.verdict.detail}")
            print()
    if coverage:
        _show_gaps(found)
    _show_sums(done, found)


def _show_gaps(found: dict[str, Coverage]) -> None:
    rows = [
        (name, gap.moratorium + (f"/{gap.exemption}" if gap.exemption else ""), gap.says)
        for name, c in found.items()
        for gap in c.gaps
    ]
    if rows:
        print_table(("policy", "rule", "what no case touches"), rows)
        print()


def _show_sums(done: list[Done], found: dict[str, Coverage]) -> None:
    rows = [(d.suite.path.name, str(len(d.trials)), str(len(d.failed) or "none")) for d in done]
    print_table(("file", "cases", "failed"), rows)
    print()
    total, gaps = sum(c.total for c in found.values()), sum(len(c.gaps) for c in found.values())
    tail = "; --coverage lists the others" if gaps else ""
    failed = sum(len(d.failed) for d in done)
    print_facts(
        [
            ("cases", f"{sum(len(d.trials) for d in done)}, of which {failed or 'none'} failed"),
            ("touched", f"{total - gaps} of {total} moratoria, exemptions and edges of windows{tail}"),
        ]
    )
