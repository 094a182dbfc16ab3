"""What is counted, and that every series that can occur starts at zero."""

import math

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from proxy.backends.registry import make_backend
from proxy.metrics import Histogram, Metrics, Observed, make_registry
from proxy.pipeline import refused
from proxy.policy.document import Source, build
from proxy.policy.model import Mode, Refusal
from proxy.policy.reasons import Reason
from proxy.policy.shorthand import document_of

POLICY = build(
    Source("test", document_of(blocked_org_types=("police",), start="2020-06-10", end="2021-06-10"))
)
OPERATIONS = make_backend("aws-rekognition").operations()


def scrape(metrics: Metrics, now: float = 0) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    observed = Observed(
        version="1",
        backend="aws-rekognition",
        clock=lambda: now,
        policy=lambda: POLICY,
        keys=lambda: {"https://issuer.test": 12.0},
        tokens=lambda: (3, 4),
        audit=lambda: (5, 6),
    )
    text = generate_latest(make_registry(metrics, observed)).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def fresh() -> Metrics:
    metrics = Metrics()
    metrics.expect(POLICY, OPERATIONS)
    return metrics


def test_series_start_at_zero_and_a_decision_adds_none() -> None:
    metrics = fresh()
    before = set(metrics.decisions)

    for reason in Reason:
        if reason not in (Reason.NOT_BOUND, Reason.OPERATION_UNKNOWN):
            metrics.tally(refused(Refusal(reason), 0), Mode.ENFORCE).count += 1

    undecided = {key for key in metrics.decisions if key[2] in ("none", "other")}
    assert set(metrics.decisions) - before <= {k for k in undecided if k[1] in _NEEDS_A_CALLER}
    assert all(tally.count <= 1 for tally in metrics.decisions.values())


_NEEDS_A_CALLER = {
    Reason.NOT_COVERED,
    Reason.OUTSIDE_JURISDICTION,
    Reason.OUTSIDE_SCOPE,
    Reason.OUTSIDE_WINDOW,
    Reason.EXEMPT,
    Reason.SHADOW_BLOCKED,
    Reason.UNKNOWN_OPERATION_ALLOWED,
    Reason.MORATORIUM,
}


def test_there_are_few_enough_series() -> None:
    assert len(fresh().decisions) < 400


def test_every_metric_of_the_contract_is_exported() -> None:
    names = {name for name, _ in scrape(fresh())}

    assert {
        "moratorium_decisions_total", "moratorium_requests_in_flight",
        "moratorium_request_duration_seconds_bucket",
        "moratorium_overhead_seconds_bucket", "moratorium_upstream_duration_seconds_bucket",
        "moratorium_window_open", "moratorium_window_changes_timestamp_seconds", "moratorium_policy_info",
        "moratorium_config_last_reload_successful", "moratorium_jwks_last_success_timestamp_seconds",
        "moratorium_token_cache_hits_total", "moratorium_token_cache_misses_total",
        "moratorium_audit_records_total", "moratorium_audit_failures_total", "moratorium_build_info",
        "process_resident_memory_bytes",
    } <= names  # fmt: skip


def test_windows_are_open_and_name_their_next_edge() -> None:
    label = frozenset({("policy", "moratorium")})
    start, end, _ = POLICY.moratoria[0].windows[0]

    before, during, after = (scrape(fresh(), now) for now in (start - 1, start, end))

    assert [s["moratorium_window_open", label] for s in (before, during, after)] == [0, 1, 0]
    assert [s["moratorium_window_changes_timestamp_seconds", label] for s in (before, during, after)] == [
        start,
        end,
        math.inf,
    ]


def test_values_kept_elsewhere_are_read_at_the_scrape() -> None:
    found = scrape(fresh())

    assert found["moratorium_audit_failures_total", frozenset()] == 6
    assert (
        found[
            "moratorium_jwks_last_success_timestamp_seconds", frozenset({("issuer", "https://issuer.test")})
        ]
        == 12
    )


def test_a_histogram_counts_what_is_at_or_below_its_bounds() -> None:
    histogram = Histogram((0.1, 1.0))

    for seconds in (0.05, 0.1, 0.5, 2.0):
        histogram.observe(seconds)

    assert histogram.buckets() == [("0.1", 2.0), ("1.0", 3.0), ("+Inf", 4.0)]
    assert histogram.total == 2.65
