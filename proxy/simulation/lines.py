"""Takes a line of an audit file apart without parsing it: the question, and when it was asked.

Lines of the same question differ in id, subject, request, instance, time and place in the chain alone
(`proxy.audit.record.Template`), and lines of the same length mostly have their members in the same places:
these are looked at first. Times of our form sort as text, so that none has to be read to be compared.
"""

import math
from datetime import UTC, datetime

import orjson

from proxy.policy.callers import Instant

# Quotation marks within JSON strings are escaped, so these can be nothing but members, in the order of
# `line_of`.
_MARKS = (
    b',"body_sha256":',
    b',"case_sha256":',
    b',"chain":"',
    b',"circumstances":',
    b',"id":"',
    b',"issuer":',
    b',"prev":"',
    b',"purpose":',
    b',"request_bytes":',
    b',"result":',
    b',"seq":',
    b',"shown":',
    b',"subject_hmac":',
    b',"subject_jurisdiction":',
    b',"time":"',
    b',"traits":',
)
_TIME, _TRACE = _MARKS[-2], b'Z","trace_id":'
_TIME_LENGTH = len("1970-01-01T00:00:00.000000Z")
_ELSEWHERE = (
    "body_sha256", "chain", "instance", "prev", "request_bytes", "request_id", "request_sha256", "seq",
    "subject_hmac", "trace_id",
)  # fmt: skip
LAST = b"\xff"
"""Later than any time."""
_YEAR_10000 = 253_402_300_799.0

Places = tuple[int, ...]
"""Where each mark stands. What differs from call to call is between the first of two and the second."""


Cut = tuple[bytes, bytes]
"""The question of a line, which is all that does not differ from call to call, and its time.

A plain tuple: a named one costs as much as all the rest.
"""


class Cutter:
    """Remembers where members stand in lines of each length."""

    def __init__(self) -> None:
        self._places: dict[int, Places] = {}

    def cut(self, line: bytes) -> Cut | None:
        """The question and the time of a line; None of one that is no JSON object with an id and a time."""
        places = self._places.get(len(line))
        if places is None or not _fits(line, places):
            places = _find(line)
            if places is None:
                return _reread(line)
            self._places[len(line)] = places
        (
            body, case, chain, circumstances, name, issuer, prev, purpose, request, result, seq, shown,
            subject, jurisdiction, time, traits,
        ) = places  # fmt: skip
        return (
            b"".join(
                (
                    line[:body],
                    line[case:chain],
                    line[circumstances:name],
                    line[issuer:prev],
                    line[purpose:request],
                    line[result:seq],
                    line[shown:subject],
                    line[jurisdiction:time],
                    line[traits:],
                )
            ),
            line[time + len(_TIME) : time + len(_TIME) + _TIME_LENGTH],
        )


def _fits(line: bytes, places: Places) -> bool:
    time = places[-2]
    return all(map(line.startswith, _MARKS, places)) and line.startswith(
        _TRACE, time + len(_TIME) + _TIME_LENGTH - 1
    )


def _find(line: bytes) -> Places | None:
    places, at = [], 0
    for mark in _MARKS:
        at = line.find(mark, at)
        if at < 0:
            return None
        places.append(at)
    return tuple(places) if _fits(line, tuple(places)) else None


def _reread(line: bytes) -> Cut | None:
    """A line that another program has written anew, or an older version of ours."""
    try:
        record = orjson.loads(line)
        time = record.pop("time")
        del record["id"]
        for name in _ELSEWHERE:
            record.pop(name, None)
        return orjson.dumps(record, option=orjson.OPT_SORT_KEYS), time.encode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, AttributeError, KeyError, TypeError):
        return None


def id_of(line: bytes) -> str:
    """The id of a record."""
    return str(orjson.loads(line)["id"])


def instant_of(time: bytes) -> Instant | None:
    """The instant that a record's time means; None of what is no time of ours."""
    if len(time) != _TIME_LENGTH or not time.endswith(b"Z"):
        return None
    try:
        return datetime.fromisoformat(time.decode("ascii")).timestamp()
    except ValueError:
        return None


def time_of(instant: Instant) -> bytes:
    """The first time of our form that is not before an instant."""
    if instant >= _YEAR_10000:
        return LAST
    whole, millionths = divmod(math.ceil(instant * 1_000_000), 1_000_000)
    return datetime.fromtimestamp(whole, UTC).strftime(f"%Y-%m-%dT%H:%M:%S.{millionths:06d}Z").encode()
