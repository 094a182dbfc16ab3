"""Numbers of many processes as one: nothing is left out, nothing goes back."""

from collections.abc import Iterator
from itertools import count

import orjson
from prometheus_client import generate_latest

from proxy.metrics import Histogram, Metrics, Observed, Tally, make_registry
from proxy.policy.document import build, parse
from proxy.policy.model import Mode
from proxy.policy.reasons import Decision, Reason
from proxy.workers.places import deputies
from proxy.workers.sums import CPU, Snapshot, Sums, counts_of, show

POLICY = build(parse("schema = 1\nmoratorium = []", "test"))
SERIES = (Decision.ALLOWED, Reason.NOT_BOUND, "press", "search", Mode.ENFORCE)


def everything(metrics: Metrics) -> str:
    observed = Observed(
        version="1",
        backend="generic",
        clock=lambda: 0,
        policy=lambda: POLICY,
        keys=dict,
        tokens=lambda: (0, 0),
        audit=lambda: (0, 0),
    )
    lines = generate_latest(make_registry(metrics, observed)).decode().splitlines()
    return "\n".join(line for line in lines if line.startswith("moratorium_"))


def fill(metrics: Metrics, numbers: Iterator[int]) -> None:
    """Another number in every place there is, also in those that somebody adds after this was written."""
    metrics.decisions[SERIES] = Tally()
    metrics.decisions[SERIES].count = next(numbers)
    for name, value in vars(metrics).items():
        if type(value) is int and name != "reload_successful":
            setattr(metrics, name, next(numbers))
    histograms = [v for v in vars(metrics).values() if isinstance(v, Histogram)]
    for histogram in [*histograms, *metrics.requests.values()]:
        histogram.counts = [next(numbers) for _ in histogram.counts]
        histogram.total = next(numbers) + 0.5


def test_one_workers_numbers_are_the_sum_to_the_last_series() -> None:
    worker, parent = Metrics(), Metrics()
    fill(worker, count(1))

    plain = orjson.loads(orjson.dumps(Snapshot(counts_of(worker), worker.in_flight).plain()))
    sums = Sums()
    sums.add_up([Snapshot.of_plain(plain)])
    show(sums.counts, parent)
    parent.in_flight = sums.in_flight

    assert everything(parent) == everything(worker)


def test_two_workers_add_up() -> None:
    one, two, parent = Metrics(), Metrics(), Metrics()
    fill(one, count(1))
    fill(two, count(1000))
    sums = Sums()

    sums.add_up([Snapshot(counts_of(one), 1), Snapshot(counts_of(two), 2)])
    show(sums.counts, parent)

    assert parent.decisions[SERIES].count == one.decisions[SERIES].count + two.decisions[SERIES].count
    assert parent.overhead.counts == [
        a + b for a, b in zip(one.overhead.counts, two.overhead.counts, strict=True)
    ]
    assert sums.in_flight == 3


def test_what_a_worker_counted_outlives_it_and_what_it_held_does_not() -> None:
    metrics = Metrics()
    fill(metrics, count(1))
    last = Snapshot(counts_of(metrics), in_flight=7, usage={CPU: 2.5, "process_open_fds": 30.0})
    sums = Sums()
    sums.add_up([last])
    before = sums.counts

    sums.end(last)
    sums.add_up([Snapshot({("audit", "records"): 4}, usage={CPU: 0.5})])

    assert sums.counts == before | {("audit", "records"): 4}
    assert sums.usage == {CPU: 3.0}
    assert sums.in_flight == 0
    assert sums.pair("audit", "records", "failures") == (4, 0)


def test_no_sum_of_seconds_goes_back_when_a_worker_ends() -> None:
    parts = [0.1, 0.2, 0.3, 1e-9, 1234.567, 0.7]
    snapshots = []
    for part in parts:
        metrics = Metrics()
        metrics.overhead.observe(part)
        snapshots.append(Snapshot(counts_of(metrics), usage={CPU: part}))
    sums, seen = Sums(), []

    for number, snapshot in enumerate(snapshots):
        sums.add_up(snapshots[number:])
        shown = Metrics()
        show(sums.counts, shown)
        seen.append((shown.overhead.total, sums.usage[CPU]))
        sums.end(snapshot)

    assert set(seen) == {(seen[0][0], seen[0][0])}


def test_a_series_that_nobody_counts_in_stays_at_zero() -> None:
    parent = Metrics()
    parent.decisions[SERIES] = Tally()
    parent.decisions[SERIES].count = 5

    show({}, parent)

    assert parent.decisions[SERIES].count == 0


def test_each_queue_without_its_worker_has_one_deputy() -> None:
    assert deputies(4, [1, 2, 3, 4]) == {1: [], 2: [], 3: [], 4: []}
    assert deputies(4, [1, 3]) == {1: [4], 3: [2]}
    assert deputies(4, [2]) == {2: [1, 3, 4]}
    assert deputies(4, []) == {}
