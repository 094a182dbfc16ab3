"""What this process and its workers use of the machine, under the names that Prometheus knows."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector


def usage() -> dict[str, float]:
    """What this process has used so far and uses now, under the names that Prometheus knows."""
    families = ProcessCollector(registry=None).collect()
    return {s.name: s.value for family in families for s in family.samples if s.name in _SUMMED}


_SUMMED = frozenset(
    {
        "process_cpu_seconds_total", "process_resident_memory_bytes", "process_virtual_memory_bytes",
        "process_open_fds",
    }
)  # fmt: skip


class UsageCollector(Collector):
    """`process_*` of this process, with what its workers use added."""

    def __init__(self, workers: Callable[[], Mapping[str, float]]) -> None:
        self._own = ProcessCollector(registry=None)
        self._workers = workers

    def collect(self) -> Iterator[Metric]:
        workers = self._workers()
        for family in self._own.collect():
            family.samples = [s._replace(value=s.value + workers.get(s.name, 0.0)) for s in family.samples]
            yield family
