"""A page of metrics, as far as it speaks of decisions. The only module that reads Prometheus' text format."""

from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from proxy.errors import SettingsError
from proxy.policy.reasons import Reason

Labels = tuple[str, str, str, str, str]
"""Decision, reason, type of organisation, classes of the operation, mode."""
LABELS = ("decision", "reason", "org_type", "operation", "mode")


@dataclass
class Page:
    """`chains`: how many decisions were recorded in each chain. `failures`: records not written."""

    name: str
    series: dict[Labels, int] = field(default_factory=dict)
    chains: dict[str, int] = field(default_factory=dict)
    failures: int = 0

    @classmethod
    def read(cls, name: str, text: str) -> "Page":
        """Series that are zero are left out. Raises `SettingsError`."""
        page = cls(name)
        try:
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    page._take(sample.name, sample.labels, sample.value)
        except (ValueError, KeyError, OverflowError) as error:
            raise SettingsError([f"{name}: no page of metrics: {error}"]) from None
        if not page.chains:
            why = "so it is of no proxy, or of one that has just begun"
            raise SettingsError([f"{name}: no moratorium_chain_decisions_total, {why}"])
        return page

    def _take(self, name: str, labels: dict[str, str], value: float) -> None:
        if name == "moratorium_decisions_total" and value:
            decision, reason, org_type, operation, mode = (labels[label] for label in LABELS)
            self.series[decision, reason, org_type, operation, mode] = int(value)
        elif name == "moratorium_chain_decisions_total":
            self.chains[labels["chain"]] = int(value)
        elif name == "moratorium_audit_failures_total":
            self.failures = int(value)

    def counted(self) -> int:
        """Decisions but those that say that there is no record."""
        return sum(n for series, n in self.series.items() if series[1] != Reason.AUDIT_UNWRITABLE)
