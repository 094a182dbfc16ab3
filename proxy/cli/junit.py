"""Results of policy cases as JUnit XML, in what Jenkins, GitLab and GitHub's actions read alike."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from typing import NamedTuple

# XML 1.0 section 2.2: these cannot be written, not even escaped.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class CaseResult(NamedTuple):
    """One case. `failure` is what went wrong, None when nothing did."""

    name: str
    file: str
    line: int | None
    seconds: float
    failure: str | None


class Suite(NamedTuple):
    """The cases of one file."""

    name: str
    cases: list[CaseResult]


def junit(suites: Iterable[Suite]) -> bytes:
    """The document, encoded."""
    suites = list(suites)
    root = ET.Element("testsuites", {"name": "moratorium", **_counts([c for s in suites for c in s.cases])})
    for suite in suites:
        element = ET.SubElement(root, "testsuite", {"name": _text(suite.name), **_counts(suite.cases)})
        for case in suite.cases:
            _case(element, suite.name, case)
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _case(suite: ET.Element, classname: str, case: CaseResult) -> None:
    attributes = {
        "name": _text(case.name),
        "classname": _text(classname),
        "file": _text(case.file),
        "time": f"{case.seconds:.6f}",
    }
    if case.line is not None:
        attributes["line"] = str(case.line)
    element = ET.SubElement(suite, "testcase", attributes)
    if case.failure is not None:
        message = _text(case.failure)
        failure = ET.SubElement(
            element, "failure", {"message": message.replace("\n", "; "), "type": "verdict"}
        )
        failure.text = message


def _counts(cases: list[CaseResult]) -> dict[str, str]:
    return {
        "tests": str(len(cases)),
        "failures": str(sum(case.failure is not None for case in cases)),
        "errors": "0",
        "skipped": "0",
        "time": f"{sum(case.seconds for case in cases):.6f}",
    }


def _text(text: str) -> str:
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text)
