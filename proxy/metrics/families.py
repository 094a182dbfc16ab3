"""The numbers as Prometheus families, made when somebody scrapes."""

from collections.abc import Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from proxy.metrics.counts import Metrics
from proxy.metrics.observed import MOMENTS, Observed
from proxy.policy.windows import in_force, next_edge


class MoratoriumCollector(Collector):
    """Folds the numbers into metric families."""

    def __init__(self, metrics: Metrics, observed: Observed) -> None:
        self._metrics = metrics
        self._observed = observed

    def collect(self) -> Iterator[Metric]:
        yield self._decisions()
        yield self._chains()
        yield from self._times()
        yield from self._windows()
        yield from self._distribution()
        yield from self._gauges()
        yield from self._state()

    def _decisions(self) -> Metric:
        family = CounterMetricFamily(
            "moratorium_decisions",
            "Decisions, one for each audit record.",
            labels=("decision", "reason", "org_type", "operation", "mode"),
        )
        for key, tally in self._metrics.decisions.items():
            family.add_metric([str(part) for part in key], tally.count)
        return family

    def _chains(self) -> Metric:
        family = CounterMetricFamily(
            "moratorium_chain_decisions", "Decisions recorded in each chain.", labels=("chain",)
        )
        for chain, count in self._observed.chains().items():
            family.add_metric([chain], count)
        return family

    def _times(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "moratorium_requests_in_flight", "Calls being relayed.", value=self._metrics.in_flight
        )
        requests = HistogramMetricFamily(
            "moratorium_request_duration_seconds",
            "From the end of a request's head to the end of its answer.",
            labels=("decision",),
        )
        for decision, histogram in self._metrics.requests.items():
            requests.add_metric([str(decision)], histogram.buckets(), histogram.total)
        yield requests
        for name, text, histogram in (
            ("overhead", "Ours alone: from a head read to its head sent upstream.", self._metrics.overhead),
            ("upstream_duration", "From a head sent upstream to its answer's head.", self._metrics.upstream),
        ):
            family = HistogramMetricFamily(f"moratorium_{name}_seconds", text)
            family.add_metric([], histogram.buckets(), histogram.total)
            yield family

    def _windows(self) -> Iterator[Metric]:
        now, policy = self._observed.clock(), self._observed.policy()
        opened = GaugeMetricFamily(
            "moratorium_window_open", "1 while the moratorium is in force.", labels=("policy",)
        )
        edges = GaugeMetricFamily(
            "moratorium_window_changes_timestamp_seconds",
            "The next start or end; +Inf when there is none.",
            labels=("policy",),
        )
        for moratorium in policy.moratoria:
            opened.add_metric([moratorium.id], float(in_force(moratorium.windows, now) is not None))
            edges.add_metric([moratorium.id], next_edge(moratorium.windows, now))
        yield opened
        yield edges
        info = GaugeMetricFamily("moratorium_policy_info", "The policy decided by.", labels=("revision",))
        if policy.known:
            info.add_metric([policy.revision], 1)
        yield info

    def _distribution(self) -> Iterator[Metric]:
        found = self._observed.distribution()
        yield GaugeMetricFamily(
            "moratorium_policy_serial",
            "The serial number of the bundle decided by; 0 for a policy from files or none yet.",
            value=self._observed.policy().serial,
        )
        success = GaugeMetricFamily(
            "moratorium_policy_last_success_timestamp_seconds",
            "When the policy's address last had a bundle that is good; 0 for never.",
        )
        fetches = CounterMetricFamily(
            "moratorium_policy_fetch", "How asking the policy's address ended.", labels=("result",)
        )
        if found is not None:
            success.add_metric([], found.last_success)
            for result, count in found.counts().items():
                fetches.add_metric([result], count)
        yield success
        yield fetches

    def _gauges(self) -> Iterator[Metric]:
        gauges = self._observed.gauges()
        yield GaugeMetricFamily(
            "moratorium_audit_unsigned_records", "Records since the last checkpoint.", value=gauges.unsigned
        )
        yield GaugeMetricFamily(
            "moratorium_held_bytes",
            "Of bodies that are collected before their calls go on.",
            value=gauges.held_bytes,
        )
        for name, text in MOMENTS.items():
            family = GaugeMetricFamily(f"moratorium_{name}_timestamp_seconds", text)
            if name in gauges.moments:
                family.add_metric([], gauges.moments[name])
            yield family

    def _state(self) -> Iterator[Metric]:
        distribution = self._observed.distribution()
        refused = distribution is not None and distribution.refused
        yield GaugeMetricFamily(
            "moratorium_config_last_reload_successful",
            "0 after a reload or a bundle was refused and the old configuration stayed.",
            value=0 if refused else self._metrics.reload_successful,
        )
        certificate = GaugeMetricFamily(
            "moratorium_tls_certificate_end_timestamp_seconds",
            "When the certificate that clients are shown is no longer valid.",
        )
        if self._metrics.certificate_ends is not None:
            certificate.add_metric([], self._metrics.certificate_ends)
        yield certificate
        clock = GaugeMetricFamily(
            "moratorium_clock_offset_seconds",
            "How far a source of time is ahead of the clock that is believed.",
            labels=("source",),
        )
        for source, offset in self._metrics.clock_offsets.items():
            clock.add_metric([source], offset)
        yield clock
        keys = GaugeMetricFamily(
            "moratorium_jwks_last_success_timestamp_seconds",
            "When an issuer's keys were last had; 0 for never.",
            labels=("issuer",),
        )
        for issuer, moment in self._observed.keys().items():
            keys.add_metric([issuer], moment)
        yield keys
        fetches = CounterMetricFamily(
            "moratorium_jwks_fetch", "How asking for an issuer's keys ended.", labels=("issuer", "result")
        )
        for issuer, (had, missed) in self._observed.key_fetches().items():
            fetches.add_metric([issuer, "success"], had)
            fetches.add_metric([issuer, "failure"], missed)
        yield fetches
        hits, misses = self._observed.tokens()
        records, failures = self._observed.audit()
        outcomes, unheard = self._observed.lost()
        for name, text, value in (
            ("token_cache_hits", "Tokens that had been verified before.", hits),
            ("token_cache_misses", "Tokens verified anew or refused.", misses),
            ("audit_records", "Records written.", records),
            ("audit_failures", "Records that could not be written.", failures),
            ("audit_outcomes_lost", "Ends of calls that were not recorded.", outcomes),
            ("audit_witness_failures", "Times that the audit's witness did not hear.", unheard),
            ("tls_handshake_failures", "Handshakes that failed.", self._metrics.handshakes_failed),
            ("connections_turned_away", "Closed for lack of descriptors.", self._metrics.turned_away),
            ("clock_doubted_decisions", "Decided while clocks disagreed.", self._metrics.doubted),
            ("worker_restarts", "Workers that ended and were replaced.", self._observed.restarts()),
        ):
            yield CounterMetricFamily(f"moratorium_{name}", text, value=value)
        yield InfoMetricFamily(
            "moratorium_build",
            "The program that runs.",
            value={"version": self._observed.version, "backend": self._observed.backend},
        )
