"""The page of a report: readable by machines that read to people, harmless whatever the log says."""

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from proxy.audit.journal import Journal
from proxy.audit.record import Template
from proxy.audit.sink import Sink
from proxy.cli import main
from proxy.pipeline import refused
from proxy.policy.callers import Caller
from proxy.policy.model import Mode, Refusal
from proxy.policy.reasons import Reason
from proxy.reporting.report.style import DARK, LIGHT, PIECES, TEXTS
from proxy.reporting.spreadsheets import harmless
from tests.reporting.sample import START, write

EVIL = "<script>alert('#1')</script>"
VOID = {"meta", "link", "br", "img", "input", "hr", "path", "rect"}


class Page(HTMLParser):
    """Every element with its attributes and text, and what is not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.crossed: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element: tuple[str, dict[str, str | None], list[str]] = (tag, dict(attrs), [])
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop()[0] != tag:
            self.crossed.append(tag)

    def handle_data(self, data: str) -> None:
        for _, _, text in self.open:
            text.append(data)

    def all(self, *tags: str) -> list[tuple[str, dict[str, str | None], str]]:
        return [(tag, attrs, "".join(text)) for tag, attrs, text in self.elements if tag in tags]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    write(folder / "audit.jsonl", weeks=3, share=0.25)
    words = ["audit", "report", folder / "audit.jsonl", "--from", "2026-09-05", "--to", "2026-09-24"]
    assert main([*map(str, words), "--out", str(folder), "--format", "html", "--at", "2026-11-03"]) == 0
    return (folder / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_elements_are_closed_in_order_and_names_are_there_once(page: Page) -> None:
    names = [attrs["id"] for _, attrs, _ in page.elements if "id" in attrs]

    assert (page.crossed, page.open) == ([], [])
    assert len(names) == len({*names})
    assert [attrs.get("lang") for _, attrs, _ in page.all("html")] == ["en"]


def test_it_loads_nothing_and_runs_nothing(text: str, page: Page) -> None:
    (policy,) = [a["content"] or "" for _, a, _ in page.all("meta") if "http-equiv" in a]
    (style,) = page.all("style")
    digest = b64encode(sha256(style[2].encode()).digest()).decode()

    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert page.all("script", "link", "img", "iframe", "object") == []
    assert not [
        a for _, a, _ in page.elements if "src" in a or "style" in a or any(n.startswith("on") for n in a)
    ]
    assert all((attrs["href"] or "").startswith("#") for _, attrs, _ in page.elements if "href" in attrs)
    assert set(re.findall(r"url\((.)", text)) == {"#"}
    assert "@import" not in text


def test_headings_go_down_step_by_step(page: Page) -> None:
    levels = [int(tag[1]) for tag, _, _ in page.all("h1", "h2", "h3", "h4")]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_chart_has_words_and_every_table_a_caption(page: Page) -> None:
    names = {attrs.get("id"): told for _, attrs, told in page.all("title", "desc")}
    charts = [attrs for _, attrs, _ in page.all("svg") if attrs.get("aria-hidden") != "true"]
    assert len(charts) >= 6
    for chart in charts:
        assert chart["role"] == "img"
        assert all(names[name].strip() for name in (chart["aria-labelledby"] or "").split())

    tables = page.all("table")
    assert len(tables) == len(page.all("caption")) > 8
    assert {attrs.get("scope") for _, attrs, _ in page.all("th")} == {"col", "row"}
    regions = [attrs for _, attrs, _ in page.all("div") if attrs.get("role") == "region"]
    assert all(region["tabindex"] == "0" and region["aria-label"] for region in regions)
    assert len(regions) == len({region["aria-label"] for region in regions}) > len(tables)


def test_links_lead_somewhere(page: Page) -> None:
    names = {attrs.get("id") for _, attrs, _ in page.elements}
    links = [attrs["href"] or "" for _, attrs, _ in page.all("a")]

    assert links[0] == "#main"
    assert {link.removeprefix("#") for link in links} <= names


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_letters_and_pieces_stand_out(colours: dict[str, str]) -> None:
    assert contrast("#ffffff", "#767676") == pytest.approx(4.54, abs=0.01)
    for letters, ground in TEXTS:
        assert contrast(colours[letters], colours[ground]) >= 4.5, (letters, ground)
    for piece in PIECES:
        assert contrast(colours[piece], colours["page"]) >= 3, piece


def test_what_a_log_says_is_never_markup_or_a_formula(tmp_path: Path) -> None:
    journal = Journal(Sink(str(tmp_path / "audit.jsonl")))
    journal.sink.open()
    journal.begin(START, version="1", policy=EVIL)
    known: Any = {"revision": EVIL, "mode": Mode.ENFORCE, "instance": EVIL, "backend": "generic"}
    for number, name in enumerate([EVIL, "=1+1", "#panic()", "$x$ *b* @y", "a\x01\x00b"] * 6):
        caller = Caller("https://issuer.example", (name,), name, name)
        verdict = refused(Refusal(Reason.OPERATION_UNKNOWN), START, caller)
        journal.write(Template(verdict, chain=journal.chain.id, **known), b"a-%d" % number, START + number)
    journal.close(START + 60)

    words = ["audit", "report", tmp_path / "audit.jsonl", "--from", "2026-09-01", "--to", "2026-09-08"]
    code = main([*map(str, words), "--out", str(tmp_path), "--title", EVIL, "--operator", EVIL])

    text = (tmp_path / "report.html").read_text("utf-8")
    assert code == 0
    assert "<script" not in text
    assert text.count("&lt;script&gt;") > 10
    assert Page(text).crossed == []
    assert ",'=1+1," in (tmp_path / "report.csv").read_text("utf-8")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\t=1", "\r", "\n=1"])
def test_a_spreadsheet_takes_nothing_for_a_formula(text: str) -> None:
    assert harmless(text) == f"'{text}"
    assert harmless(f"a{text}") == f"a{text}"


def test_the_paper_is_tagged_for_people_who_do_not_see(tmp_path: Path) -> None:
    write(tmp_path / "audit.jsonl", weeks=1)
    words = ["audit", "report", tmp_path / "audit.jsonl", "--from", "2026-09-03", "--to", "2026-09-10"]

    assert main([*map(str, words), "--out", str(tmp_path), "--format", "pdf", "--at", "2026-11-03"]) == 0

    assert b"<pdfuaid:part>1</pdfuaid:part>" in (tmp_path / "report.pdf").read_bytes()
    assert not (tmp_path / "report.json").exists()
