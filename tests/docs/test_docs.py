"""The docs say what the code does: names, links, commands and examples are checked, not trusted."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from proxy.backends.registry import NAMES
from proxy.cli.main import VERBS
from proxy.metrics import Metrics, Observed, make_registry
from proxy.policy.document import build, parse
from proxy.policy.operations import CLASS_MEANINGS
from proxy.policy.reasons import MEANINGS, Decision, Reason
from proxy.rescue import Manners, status_of
from proxy.settings import read_settings
from proxy.settings.read import variables

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def page(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def headings(text: str) -> list[str]:
    return re.findall(r"^#+ (.+)$", text, re.MULTILINE)


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def indented(text: str) -> list[str]:
    return re.findall(r"(?:^    .+\n)+", text, re.MULTILINE)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_its_heading_sentence_and_status(reason: Reason) -> None:
    text = page("docs/reasons.md")
    section = text.split(f"\n## {reason}\n")[1].split("\n## ")[0]

    assert MEANINGS[reason].says in section
    if MEANINGS[reason].decision is not Decision.ALLOWED:
        assert f"Status {status_of(reason, Manners())}" in section


def test_no_reason_is_documented_that_does_not_exist() -> None:
    found = {h for h in headings(page("docs/reasons.md")) if h == h.lower()}

    assert found == set(Reason)


def test_every_metric_is_documented() -> None:
    observed = Observed(
        version="",
        backend="",
        clock=lambda: 0,
        policy=lambda: build(parse("schema=1\nmoratorium=[]", "p")),
        keys=dict,
        tokens=lambda: (0, 0),
        audit=lambda: (0, 0),
    )
    families = make_registry(Metrics(), observed).collect()
    ours = {
        f.name + ("_total" if f.type == "counter" else "_info" if f.type == "info" else "")
        for f in families
        if f.name.startswith("moratorium_")
    }

    assert ours == set(re.findall(r"^\| `(moratorium_\w+)`", page("docs/metrics.md"), re.MULTILINE))


def test_every_setting_is_documented() -> None:
    assert set(variables()) == set(
        re.findall(r"^\| `(MORATORIUM_\w+)`", page("docs/configuration.md"), re.MULTILINE)
    )


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_setting_that_a_page_names_exists(path: Path) -> None:
    named = set(re.findall(r"\bMORATORIUM_[A-Z_]+[A-Z]\b", path.read_text("utf-8")))
    known = {*variables(), "MORATORIUM_ENV_FILE"}
    wrong_on_purpose = {"MORATORIUM_BLOCKED_ORG_TYPE"}

    assert named - known - wrong_on_purpose == set()


def test_every_verb_and_backend_is_named_somewhere() -> None:
    text = "".join(p.read_text("utf-8") for p in PAGES)

    for verb in VERBS:
        assert re.search(rf"(moratorium|\./run) {verb}\b|`{verb}`", text), verb
    for name in NAMES:
        assert name in text


def test_every_operation_class_is_explained_in_the_words_of_the_code() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", page("docs/policy.md"), re.MULTILINE))

    assert rows == {str(name): text for name, text in CLASS_MEANINGS.items()}


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    text = path.read_text("utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, fragment = target.partition("#")
        there = (path.parent / file) if file else path
        assert there.exists(), target
        if fragment:
            assert fragment in {anchor(h) for h in headings(there.read_text("utf-8"))}, target


def test_every_decision_is_in_the_index_with_its_title() -> None:
    index = page("docs/decisions/README.md")
    for path in sorted((ROOT / "docs/decisions").glob("0*.md")):
        number, title = headings(path.read_text("utf-8"))[0].split(". ", 1)
        assert f"{number}. [{title}]({path.name})" in index


def test_the_glossary_is_in_order() -> None:
    words = re.findall(r"^\| \*\*(.+?)\*\*", page("docs/glossary.md"), re.MULTILINE)

    assert words == sorted(words)


def test_the_readme_is_short() -> None:
    assert len(page("README.md").splitlines()) <= 150


def test_the_readmes_sidecar_settings_are_valid() -> None:
    (block,) = [b for b in indented(page("README.md")) if "MORATORIUM_UPSTREAM" in b]
    lines = dict(line.strip().split("=", 1) for line in block.splitlines())

    assert len(lines) == 10
    assert read_settings(lines).backend == "deepface"


def test_the_quickstarts_settings_are_valid() -> None:
    (block,) = [b for b in indented(page("docs/quickstart.md")) if "MORATORIUM_UPSTREAM" in b]

    assert read_settings(dict(line.strip().split("=", 1) for line in block.splitlines())).policy_file is None


def test_the_readmes_python_is_python() -> None:
    (code,) = blocks(page("README.md"), "python")

    compile(code, "README.md", "exec")
    assert "compare_faces" in code


def test_the_readmes_explain_command_runs_and_blocks() -> None:
    (block,) = [b for b in indented(page("README.md")) if "moratorium explain" in b]
    words = shlex.split(block.replace("\\\n", " "))
    done = subprocess.run(
        [ROOT / "run", *words[1:]], capture_output=True, text=True, cwd=ROOT, env={"PATH": "/usr/bin:/bin"}
    )

    assert done.returncode == 1, done.stderr
    assert "reason       moratorium" in done.stdout


def test_the_policy_pages_example_loads() -> None:
    example, *_, route = blocks(page("docs/policy.md"), "toml")

    policy = build(parse(example + route, "docs/policy.md"))

    assert policy.moratoria[0].id == "city-ban"
    assert policy.routes[0].operation.name == "compare"


def test_the_policy_pages_pieces_make_a_moratorium() -> None:
    _, *pieces, _ = blocks(page("docs/policy.md"), "toml")

    policy = build(parse('schema = 1\n[[moratorium]]\nid = "whole"\n' + "".join(pieces), "docs/policy.md"))

    (whole,) = policy.moratoria
    assert (len(whole.concerns), len(whole.windows), len(whole.history)) == (3, 1, 2)
    assert len(whole.exemptions[0].conditions) == 3


def test_the_policy_pages_error_is_what_people_see() -> None:
    (shown,) = [b.strip() for b in indented(page("docs/policy.md")) if "did you mean" in b]
    example = blocks(page("docs/policy.md"), "toml")[0].replace('"compare", "search"', '"compar"')

    with pytest.raises(Exception, match="compar") as caught:
        build(parse(example, "policy.toml"))

    assert shown in caught.value.problems  # type: ignore[attr-defined]
