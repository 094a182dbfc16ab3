"""One permitted call on its way: the request's body up, the answer down."""

from collections.abc import Callable
from typing import Protocol

from proxy.enforcer import Denied, Enforcer
from proxy.errors import UpstreamError, UpstreamTimeout
from proxy.messages import Chunked, RequestHead
from proxy.policy.model import Permit
from proxy.policy.reasons import Decision
from proxy.relay.chunks import LAST_CHUNK, frame
from proxy.relay.framing import ResponseHead
from proxy.relay.headers import downstream_head, upstream_head
from proxy.relay.upstream import Upstream

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Client(Protocol):
    """What an exchange may do to the client's connection."""

    def write(self, data: bytes) -> None:
        """Send bytes of the answer."""

    def may_keep_alive(self) -> bool:
        """Whether another request can follow on this connection, as things stand."""

    def throttle(self, *, reading: bool) -> None:
        """Stop or go on reading the request's body."""

    def call_ended(self, *, keep_alive: bool) -> None:
        """The answer is complete."""

    def call_failed(self, denied: Denied | None) -> None:
        """There is no answer (send this one instead), or it broke off (None: cut the connection)."""


class Exchange:
    """Implements `proxy.relay.upstream.Receiver`."""

    __slots__ = (
        "_chunked", "_client", "_continued", "_enforcer", "_keep_alive", "_now", "_sent_at", "begun", "head", "permit",
        "received_at", "stalled", "upstream",
    )  # fmt: skip

    def __init__(
        self,
        client: Client,
        enforcer: Enforcer,
        permit: Permit,
        head: RequestHead,
        now: Callable[[], float],
        received_at: float,
    ) -> None:
        self._client = client
        self._enforcer = enforcer
        self._now = now
        self._keep_alive = False
        self._chunked = False
        self._continued = False
        self._sent_at = 0.0
        self.head = head
        self.permit = permit
        self.received_at = received_at
        self.upstream: Upstream | None = None
        self.begun = False
        self.stalled = False
        enforcer.metrics.in_flight += 1

    @property
    def chunked_up(self) -> bool:
        return isinstance(self.head.length, Chunked)

    # ------------------------------------------------------------ up

    def start(self, upstream: Upstream, host: bytes, *, last: bool) -> None:
        """Send the head on a connection that is this call's alone."""
        self.upstream = upstream
        forwards = self._enforcer.rules.backend.forwards
        upstream.forward(
            self.permit,
            self,
            self.head.method,
            upstream_head(self.head, forwards, host, self.permit.decision_id),
            last=last,
        )
        self._sent_at = self._now()
        self._enforcer.metrics.overhead.observe(self._sent_at - self.received_at)

    def send(self, payload: bytes, *, last: bool) -> None:
        """Pass a piece of the request's body on."""
        assert self.upstream is not None  # noqa: S101
        if self.chunked_up:
            payload = frame(payload) + (LAST_CHUNK if last else b"")
        self.upstream.send(payload, last=last)

    def cancel(self) -> None:
        """The client has left, or has sent what cannot go on."""
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.abandon()
        self._finished(Decision.ALLOWED)

    def time_out(self) -> None:
        """The upstream has had its time."""
        if self.upstream is not None:
            self.upstream.abandon()
        self.on_error(UpstreamTimeout("no answer in time"))

    def _finished(self, decision: Decision) -> None:
        metrics = self._enforcer.metrics
        metrics.in_flight -= 1
        metrics.requests[decision].observe(self._now() - self.received_at)

    # ------------------------------------------------------------ down

    def on_continue(self) -> None:
        if self.head.expects_continue and not self.begun and not self._continued:
            self._continued = True
            self._client.write(CONTINUE)

    def on_response(self, head: ResponseHead) -> None:
        self.begun = True
        self._enforcer.metrics.upstream.observe(self._now() - self._sent_at)
        delimited = head.length is not None and not isinstance(head.length, Chunked)
        self._keep_alive = self._client.may_keep_alive() and (delimited or self.head.version == b"1.1")
        lines, self._chunked = downstream_head(
            head, self.head, self.permit.decision_id, keep_alive=self._keep_alive
        )
        self._client.write(lines)

    def on_payload(self, data: bytes) -> None:
        self._client.write(frame(data) if self._chunked else data)

    def on_complete(self) -> None:
        self.upstream = None
        if self._chunked:
            self._client.write(LAST_CHUNK)
        self._finished(Decision.ALLOWED)
        self._client.call_ended(keep_alive=self._keep_alive)

    def on_error(self, error: UpstreamError) -> None:
        self.upstream = None
        denied = self._enforcer.failed(self.permit, error)
        if self.begun:
            self._finished(Decision.FAILED)
            self._client.call_failed(None)
        else:
            self._enforcer.metrics.in_flight -= 1
            self._client.call_failed(denied)

    def on_writable(self, *, writable: bool) -> None:
        self.stalled = not writable
        self._client.throttle(reading=writable)
