"""Dashboard and alert rules ask only for what the proxy exports; every alert has a test and a runbook."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from proxy.authn.keyset import EMPTY
from proxy.distribution.address import Address
from proxy.distribution.results import Result
from proxy.distribution.subscription import Subscription
from proxy.metrics import MOMENTS, Gauges, Metrics, MoratoriumCollector, Observed
from proxy.policy.model import Mode, Policy, Window
from proxy.policy.operations import CLASS_MEANINGS, OperationClass, operation
from proxy.policy.reasons import MEANINGS, Decision, Reason
from tests.policy.making import ban

ROOT = Path(__file__).parents[2]
RULES = ROOT / "config/prometheus/rules.yml"
RULES_TEST = ROOT / "config/prometheus/rules_test.yml"
PROMETHEUS = ROOT / "config/prometheus/prometheus.yml"
DASHBOARD = ROOT / "config/grafana/dashboards/moratorium.json"
PROVISIONING = ROOT / "config/grafana/provisioning"

# The public contract: what other people's dashboards rely on too.
CONTRACT: dict[str, frozenset[str]] = {
    "moratorium_decisions_total": frozenset({"decision", "reason", "org_type", "operation", "mode"}),
    "moratorium_requests_in_flight": frozenset(),
    "moratorium_request_duration_seconds": frozenset({"decision"}),
    "moratorium_overhead_seconds": frozenset(),
    "moratorium_upstream_duration_seconds": frozenset(),
    "moratorium_window_open": frozenset({"policy"}),
    "moratorium_window_changes_timestamp_seconds": frozenset({"policy"}),
    "moratorium_policy_info": frozenset({"revision"}),
    "moratorium_policy_serial": frozenset(),
    "moratorium_policy_last_success_timestamp_seconds": frozenset(),
    "moratorium_policy_fetch_total": frozenset({"result"}),
    "moratorium_config_last_reload_successful": frozenset(),
    "moratorium_jwks_last_success_timestamp_seconds": frozenset({"issuer"}),
    "moratorium_jwks_fetch_total": frozenset({"issuer", "result"}),
    "moratorium_token_cache_hits_total": frozenset(),
    "moratorium_token_cache_misses_total": frozenset(),
    "moratorium_audit_records_total": frozenset(),
    "moratorium_audit_failures_total": frozenset(),
    "moratorium_audit_outcomes_lost_total": frozenset(),
    "moratorium_audit_unsigned_records": frozenset(),
    "moratorium_audit_last_checkpoint_timestamp_seconds": frozenset(),
    "moratorium_audit_witness_failures_total": frozenset(),
    "moratorium_audit_witness_last_success_timestamp_seconds": frozenset(),
    "moratorium_held_bytes": frozenset(),
    "moratorium_upstream_credential_end_timestamp_seconds": frozenset(),
    "moratorium_tls_handshake_failures_total": frozenset(),
    "moratorium_connections_turned_away_total": frozenset(),
    "moratorium_clock_offset_seconds": frozenset({"source"}),
    "moratorium_clock_doubted_decisions_total": frozenset(),
    "moratorium_worker_restarts_total": frozenset(),
    "moratorium_build_info": frozenset({"version", "backend"}),
}
HISTOGRAMS = (
    "moratorium_request_duration_seconds",
    "moratorium_overhead_seconds",
    "moratorium_upstream_duration_seconds",
)
# What Prometheus adds to every scraped series.
SCRAPED = frozenset({"job", "instance"})
VALUES: dict[str, frozenset[str]] = {
    "decision": frozenset(Decision),
    "reason": frozenset(Reason),
    "mode": frozenset(Mode),
    "result": frozenset(Result),
}

SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*\{([^{}]*)\}")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^()]*)\)")
METRIC = re.compile(r"\b(?:\w+:)*moratorium_\w+(?::\w+)*")


class Expression(NamedTuple):
    """A PromQL expression and where it stands."""

    where: str
    text: str
    shown: tuple[str, ...] = ()


def load_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def dashboard() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(DASHBOARD.read_text("utf-8"))
    return document


def rules() -> list[dict[str, Any]]:
    return [rule for group in load_yaml(RULES)["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def labels_of(metric: str) -> frozenset[str]:
    """The labels that series of this name have; recorded series say theirs in their name."""
    if metric in CONTRACT:
        return CONTRACT[metric] | SCRAPED
    for name in HISTOGRAMS:
        if metric in (f"{name}_bucket", f"{name}_sum", f"{name}_count"):
            return CONTRACT[name] | SCRAPED | {"le"}
    if metric in {rule.get("record") for rule in rules()}:
        return frozenset(metric.partition(":")[0].split("_"))
    raise AssertionError(f"{metric} is not exported")


def expressions() -> Iterator[Expression]:
    for rule in rules():
        said = " ".join(rule.get("annotations", {}).values())
        shown = tuple(re.findall(r"\$labels\.(\w+)", said))
        yield Expression(str(rule.get("alert") or rule["record"]), rule["expr"], shown)
    for panel in panels():
        for target in panel["targets"]:
            shown = tuple(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            yield Expression(panel["title"], target["expr"], shown)
    for annotation in dashboard()["annotations"]["list"]:
        if "expr" in annotation:
            yield Expression(annotation["name"], annotation["expr"], ("policy",))


EVERY_EXPRESSION = pytest.mark.parametrize("expression", list(expressions()), ids=lambda e: str(e.where))
EVERY_ALERT = pytest.mark.parametrize("alert", alerts(), ids=lambda a: str(a["alert"]))
EVERY_PANEL = pytest.mark.parametrize("panel", panels(), ids=lambda p: str(p["title"]))


# ---------------------------------------------------------------- what the proxy exports


@pytest.fixture
def exported() -> dict[str, frozenset[str]]:
    """Name and labels of every sample that a proxy with one moratorium exports."""
    window = Window(0.0, 1000.0)
    moratorium = ban("m", windows=(window,))
    policy = Policy((moratorium,), frozenset({"police", "commercial"}), frozenset(), revision="r")
    metrics = Metrics()
    metrics.expect(policy, (operation("CompareFaces", OperationClass.COMPARE),))
    metrics.clock_offsets = {"steady": 0.0}
    observed = Observed(
        version="0",
        backend="generic",
        clock=lambda: 1.0,
        policy=lambda: policy,
        keys=lambda: {"https://id.example.com": 1.0},
        tokens=lambda: (0, 0),
        audit=lambda: (0, 0),
        key_fetches=lambda: {"https://id.example.com": (1, 0)},
        gauges=lambda: Gauges(moments=dict.fromkeys(MOMENTS, 1.0)),
        distribution=lambda: Subscription(Address("https://a"), EMPTY, None, lambda: 1.0),
    )
    found: dict[str, frozenset[str]] = {}
    for family in MoratoriumCollector(metrics, observed).collect():
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, frozenset()) | set(sample.labels)
    return found


def test_the_proxy_exports_what_the_contract_names(exported: dict[str, frozenset[str]]) -> None:
    promised = {name: labels for name, labels in CONTRACT.items() if name not in HISTOGRAMS}
    for name in HISTOGRAMS:
        promised[f"{name}_bucket"] = CONTRACT[name] | {"le"}
        promised[f"{name}_count"] = promised[f"{name}_sum"] = CONTRACT[name]

    assert exported == promised


# ---------------------------------------------------------------- what is asked of it


@EVERY_EXPRESSION
def test_an_expression_names_only_metrics_that_are_exported(expression: Expression) -> None:
    names = [*METRIC.findall(expression.text), *(name for name, _ in SELECTOR.findall(expression.text))]

    assert names
    for name in names:
        assert name == "up" or labels_of(name)


@EVERY_EXPRESSION
def test_an_expression_selects_by_labels_that_its_metric_has(expression: Expression) -> None:
    for metric, body in SELECTOR.findall(expression.text):
        known = SCRAPED if metric == "up" else labels_of(metric)
        matchers = MATCHER.findall(body)

        assert {label for label, _, _ in matchers} <= known
        assert MATCHER.sub("", body).strip(" ,") == ""


@EVERY_EXPRESSION
def test_an_expression_asks_for_values_that_exist(expression: Expression) -> None:
    for _, body in SELECTOR.findall(expression.text):
        for label, operator, wanted in MATCHER.findall(body):
            for alternative in wanted.split("|") if operator in ("=~", "!~") else [re.escape(wanted)]:
                known = VALUES.get(label)

                assert known is None or any(re.fullmatch(alternative, value) for value in known)


@EVERY_EXPRESSION
def test_an_expression_groups_by_labels_that_its_metrics_have(expression: Expression) -> None:
    known = SCRAPED.union(*(labels_of(name) for name in METRIC.findall(expression.text)))
    for grouping in GROUPING.findall(expression.text):
        assert {label.strip() for label in grouping.split(",")} <= known


@EVERY_EXPRESSION
def test_what_is_shown_of_a_series_is_left_after_the_grouping(expression: Expression) -> None:
    groupings = GROUPING.findall(expression.text)
    left = {label.strip() for label in groupings[0].split(",")} if groupings else None
    if left is None:
        left = set(SCRAPED).union(*(labels_of(name) for name in METRIC.findall(expression.text)))

    assert set(expression.shown) <= left


# ---------------------------------------------------------------- the alerts


@EVERY_ALERT
def test_an_alert_says_what_is_wrong_how_bad_it_is_and_what_to_do(alert: dict[str, Any]) -> None:
    assert set(alert["annotations"]) == {"summary", "description", "runbook"}
    assert alert["labels"]["severity"] in ("critical", "warning", "info")


@EVERY_ALERT
def test_an_alert_has_its_section_in_the_runbook(alert: dict[str, Any]) -> None:
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^### (\w+)$", (ROOT / page).read_text("utf-8"), re.MULTILINE)

    assert anchor == alert["alert"].lower()
    assert alert["alert"] in headings


def test_the_runbook_has_no_section_for_an_alert_that_is_gone() -> None:
    text = (ROOT / "docs/operations.md").read_text("utf-8")
    sections = re.findall(r"^### (Moratorium\w+)$", text, re.MULTILINE)

    assert sorted(sections) == sorted(alert["alert"] for alert in alerts())


@EVERY_ALERT
def test_an_alert_is_tested_to_fire_and_not_to_fire(alert: dict[str, Any]) -> None:
    tests = [
        case
        for group in load_yaml(RULES_TEST)["tests"]
        for case in group["alert_rule_test"]
        if case["alertname"] == alert["alert"]
    ]

    assert any(case["exp_alerts"] for case in tests)
    assert any(not case["exp_alerts"] for case in tests)


def test_the_job_that_is_scraped_is_the_job_that_the_alerts_watch() -> None:
    jobs = [job["job_name"] for job in load_yaml(PROMETHEUS)["scrape_configs"]]
    watched = {job for rule in rules() for job in re.findall(r'job="([^"]*)"', rule["expr"])}

    assert watched == set(jobs) == {"moratorium"}


# ---------------------------------------------------------------- the dashboard


def test_the_dashboard_can_be_provisioned() -> None:
    document = dashboard()

    assert document["uid"] == "moratorium"
    assert "__inputs" not in document
    assert "id" not in document


@EVERY_PANEL
def test_a_panel_asks_the_chosen_data_source_and_explains_itself(panel: dict[str, Any]) -> None:
    sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]

    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
    assert panel["title"]
    assert panel["description"].endswith(".")


@EVERY_PANEL
def test_a_rate_is_taken_over_a_span_that_fits_the_scrape_interval(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        assert set(re.findall(r"\[([^\]]*)\]", target["expr"])) <= {"$__rate_interval", "$__range"}


def test_panels_lie_side_by_side_and_have_numbers_of_their_own() -> None:
    taken: dict[tuple[int, int], str] = {}
    everything = dashboard()["panels"]
    for panel in everything:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for cell in (
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ):
            assert taken.setdefault(cell, panel["title"]) == panel["title"]

    assert len({panel["id"] for panel in everything}) == len(everything)


def test_variables_are_declared_and_used() -> None:
    document = dashboard()
    declared = {variable["name"] for variable in document["templating"]["list"]}
    expr = " ".join(expression.text for expression in expressions())
    used = {name for name in re.findall(r"\$(\w+)", expr) if not name.startswith("__")}

    assert used == declared - {"datasource"}


def test_every_decision_can_be_seen_with_its_reasons() -> None:
    text = " ".join(target["expr"] for panel in panels() for target in panel["targets"])

    for decision in {meaning.decision for meaning in MEANINGS.values()}:
        assert re.search(rf'sum by \(reason(, mode)?\) \(rate\(\w+{{[^}}]*decision="{decision}"', text)


def test_provisioned_files_point_at_each_other() -> None:
    compose = load_yaml(ROOT / "compose.yaml")
    provider = load_yaml(PROVISIONING / "dashboards/moratorium.yml")["providers"][0]
    source = load_yaml(PROVISIONING / "datasources/prometheus.yml")["datasources"][0]
    mounted = {line.split(":")[1] for line in compose["services"]["grafana"]["volumes"]}

    assert provider["options"]["path"] in mounted
    assert source["url"] == "http://prometheus:9090"
    assert "prometheus" in compose["services"]


def test_operation_classes_are_still_those_that_the_dashboard_was_made_for() -> None:
    # The label `operation` is a class or several joined by "+": a class with a "+" would be misread.
    assert all("+" not in name and "|" not in name for name in CLASS_MEANINGS)


# ---------------------------------------------------------------- promtool, where it is installed


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "rules.yml"),
        ("test", "rules", "rules_test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_is_content(arguments: tuple[str, ...]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    ran = subprocess.run(
        [promtool, *arguments], cwd=RULES.parent, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
