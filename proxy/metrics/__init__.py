"""COUNTS: plain numbers on the way of a call, folded into Prometheus families when somebody scrapes.

Fed by verdicts. Every label value is a member of a closed set, and every series that can occur starts at
zero, so that a rate over the first event is right and "no data" means no data.
"""

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector

from proxy.metrics.counts import Histogram, Metrics, Series, Tally
from proxy.metrics.families import MoratoriumCollector
from proxy.metrics.observed import MOMENTS, Distribution, Gauges, Observed
from proxy.metrics.usage import UsageCollector, usage

__all__ = [
    "MOMENTS", "Distribution", "Gauges", "Histogram", "Metrics", "MoratoriumCollector",
    "Observed", "Series", "Tally", "make_registry", "usage",
]  # fmt: skip


def make_registry(metrics: Metrics, observed: Observed) -> CollectorRegistry:
    """A registry of our own with the process and interpreter metrics people expect."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(MoratoriumCollector(metrics, observed))
    registry.register(UsageCollector(observed.workers))
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry
