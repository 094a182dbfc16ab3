"""How much and how long: every bound of the data plane in one value."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes and seconds."""

    head_bytes: int = 64 * 1024
    body_bytes: int = 16 * 1024 * 1024
    held_bytes: int = 256 * 1024 * 1024
    """Of all bodies together that are collected before their calls go on."""
    connections: int = 1024
    head_seconds: float = 10.0
    """From the first byte of a request head to its last."""
    idle_seconds: float = 75.0
    """Between two requests of a kept connection."""
    body_seconds: float = 30.0
    """Between two pieces of a body, either way; and the grace before `body_rate` counts."""
    body_rate: float = 240.0
    """Bytes per second that a request's body must come in on average (Kestrel's default)."""
    response_seconds: float = 60.0
    """From the whole request sent to the head of the answer."""
    tunnel_idle_seconds: float = 300.0
    """How long a WebSocket may be silent, either way."""
    linger_seconds: float = 5.0
    """How long the rest of a refused request is read and thrown away before the connection is cut."""
