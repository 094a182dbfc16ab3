"""Log lines: one JSON object each, on standard error, from a fixed set of fields.

Only the fields named here are written, whatever a caller puts into `extra`: nothing from a request can get
into a log by accident. A traceback names files and lines, never values.
"""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

FIELDS = (
    "issuer", "why", "reason", "address", "signal", "policy", "backend", "version", "problems", "task",
    "worker", "count", "addresses", "serial", "result", "chain", "seq", "head",
)  # fmt: skip


class JsonFormatter(logging.Formatter):
    """RFC 3339 time, level, logger, message, then the known fields that are there."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: record.__dict__[name] for name in FIELDS if name in record.__dict__}
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["trace"] = [
                f"{frame.filename}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(record.exc_info[2])
            ]
        return json.dumps(line, default=str)


def set_up(level: str) -> None:
    """Write `moratorium.*` and warnings of libraries to standard error."""
    sink = logging.StreamHandler(sys.stderr)
    sink.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [sink]
    root.setLevel(logging.WARNING)
    logging.getLogger("moratorium").setLevel(level.upper())
