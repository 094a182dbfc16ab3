"""One permitted call on its way: the request's body up, the answer down. One object for each connection."""

from typing import Protocol

from proxy.credentials.base import Credential
from proxy.enforcer import Denied
from proxy.errors import CredentialUnavailable, UpstreamError, UpstreamTimeout
from proxy.messages import NO_TRAIL, Chunked, RequestHead, Trail
from proxy.pipeline import Rules
from proxy.policy.model import Permit
from proxy.policy.reasons import Decision
from proxy.relay.chunks import LAST_CHUNK, frame
from proxy.relay.context import Context
from proxy.relay.framing import ResponseHead
from proxy.relay.headers import IDS_AND_END, downstream_head, forwarded_fields, upstream_head, with_credential
from proxy.relay.trail import Origin, call_lines, route_lines
from proxy.relay.upstream import Upstream
from proxy.relay.wire import Bytes

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Client(Protocol):
    """What an exchange may do to the client's connection."""

    def write(self, *parts: Bytes) -> None:
        """Send bytes of the answer."""

    def may_keep_alive(self) -> bool:
        """Whether another request can follow on this connection, as things stand."""

    def body_wanted(self, *, wanted: bool) -> None:
        """The upstream takes more of the request's body, or for now does not."""

    def tunnel_opened(self) -> None:
        """From here on both sides talk as they like, until the decision no longer holds."""

    def call_ended(self, *, keep_alive: bool) -> None:
        """The answer is complete."""

    def call_failed(self, denied: Denied | None) -> None:
        """There is no answer (send this one instead), or it broke off (None: cut the connection)."""


class Exchange:
    """Implements `proxy.relay.upstream.Receiver`. `open` from the permit to the end of the answer."""

    __slots__ = (
        "_body", "_bytes_down", "_bytes_up", "_chunked_down", "_client", "_context", "_continued",
        "_credential", "_keep_alive", "_lines", "_permit", "_ready_at", "_received_at", "_response", "_rules",
        "_sent_at", "_status", "_trail", "_up", "_write",
        "begun", "head", "open", "origin", "stalled", "upstream",
    )  # fmt: skip

    def __init__(self, client: Client, context: Context) -> None:
        self._client = client
        self._write = client.write
        self._context = context
        self._up: tuple[RequestHead | None, bytes] = (None, b"")
        self._response: tuple[ResponseHead | None, bytes, bool] = (None, b"", False)
        self._rules: Rules | None = None
        self._lines = b""
        self._bytes_up = self._bytes_down = 0
        self._status: int | None = None
        self._chunked_down = False
        self._keep_alive = False
        self.upstream: Upstream | None = None
        self.open = False
        self.origin = Origin()
        self._trail = NO_TRAIL

    def begin(
        self, permit: Permit, head: RequestHead, received_at: float, trail: Trail, body: bytes | None = None
    ) -> None:
        """A new call; nothing of the last one is left. `body`: all of it, when it has been collected."""
        self._trail = trail
        self._credential = credential = self._context.enforcer.credential
        self._body = body if credential is not None and credential.wants_body else None
        self._permit = permit
        rules = self._context.enforcer.rules
        if rules is not self._rules:
            self._rules = rules
            self._up = (None, b"")
        self._received_at = received_at
        # The time in which a body comes is the client's.
        self._ready_at = received_at if body is None else self._context.now()
        self._continued = False
        self._bytes_up = self._bytes_down = 0
        self._status = None
        self.head = head
        self.begun = False
        self.stalled = False
        self.open = True
        self._context.enforcer.metrics.in_flight += 1

    # ------------------------------------------------------------ up

    def start(self, upstream: Upstream, body: Bytes, *, last: bool) -> None:
        """Send the head, and what there is of the body, on a connection that is this call's alone."""
        context, head, permit = self._context, self.head, self._permit
        if self._credential is not None:
            try:
                lines = self._make_head(head, self._credential)
            except CredentialUnavailable as error:
                upstream.abandon()
                self.on_error(error)
                return
        else:
            if self._up[0] is not head:
                self._up = (head, self._make_head(head, None))
            lines = self._up[1]
        self.upstream = upstream
        self._bytes_up = len(body)
        lines += call_lines(permit.decision_id, self._trail)
        if isinstance(head.length, Chunked):
            body = frame(body, last=last)
        now = context.now()
        self._sent_at = now
        context.enforcer.metrics.overhead.observe(now - self._ready_at)
        upstream.forward(permit, self, head, lines, body, last=last)

    def _make_head(self, head: RequestHead, credential: Credential | None) -> bytes:
        """The head for the face API, with the credential that it wants. Raises `CredentialUnavailable`."""
        context = self._context
        fields = forwarded_fields(head, context.enforcer.rules.backend.forwards)
        if credential is not None:
            body, self._body = self._body, None
            if body is None and credential.wants_body:
                raise CredentialUnavailable("the body was not collected")
            now = context.enforcer.clock()
            added = credential.fields(head, fields, context.host, body, now, self._permit)
            fields = with_credential(fields, added)
        return upstream_head(head, fields, context.host, route_lines(head, self._trail, self.origin))

    def send(self, payload: Bytes, *, last: bool) -> None:
        """Pass a piece of the request's body on."""
        if self.upstream is None:
            return
        self._bytes_up += len(payload)
        if isinstance(self.head.length, Chunked):
            payload = frame(payload, last=last)
        if payload:
            self.upstream.send(payload, last=last)
        else:
            self.upstream.send(last=last)

    def over(self) -> bool:
        """Whether the decision that let the call go on no longer holds."""
        return self._context.over(self._rules, self._permit.verdict.holds_until)

    def cancel(self) -> None:
        """The client has left, or has sent what cannot go on."""
        if self.open:
            self._leave_upstream()
            self._finished(Decision.ALLOWED, complete=False)

    def time_out(self) -> None:
        """The upstream has had its time."""
        self._leave_upstream()
        self.on_error(UpstreamTimeout("no answer in time"))

    def _leave_upstream(self) -> None:
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.abandon()

    def _finished(self, decision: Decision, *, complete: bool) -> None:
        self.open = False
        enforcer, seconds = self._context.enforcer, self._context.now() - self._received_at
        enforcer.metrics.in_flight -= 1
        enforcer.metrics.requests[decision].observe(seconds)
        enforcer.ended(self._permit, (self._status, self._bytes_up, self._bytes_down, seconds, complete))

    # ------------------------------------------------------------ down

    def on_continue(self) -> None:
        if self.head.expects_continue and not self.begun and not self._continued:
            self._continued = True
            self._write(CONTINUE)

    def on_response(self, head: ResponseHead, payload: Bytes) -> None:
        lines = self._head_down(head)
        self.begun = True
        self._status, self._bytes_down = head.status, len(payload)
        self._context.enforcer.metrics.upstream.observe(self._context.now() - self._sent_at)
        if not payload:
            self._write(lines)
        elif self._chunked_down:
            self._write(lines, frame(payload))
        else:
            self._write(lines, payload)

    def on_whole(self, head: ResponseHead, payload: Bytes) -> None:
        self.upstream = None  # before writing: a client that is slow now must not pause somebody else's call
        lines = self._head_down(head)
        if payload:
            self._write(lines, payload)
        else:
            self._write(lines)
        context = self._context
        now, enforcer = context.now(), context.enforcer
        metrics, seconds = enforcer.metrics, now - self._received_at
        metrics.upstream.observe(now - self._sent_at)
        metrics.requests[Decision.ALLOWED].observe(seconds)
        metrics.in_flight -= 1
        self.open = False
        enforcer.ended(self._permit, (head.status, self._bytes_up, len(payload), seconds, True))
        self._client.call_ended(keep_alive=self._keep_alive)

    def _head_down(self, head: ResponseHead) -> bytes:
        """The answer's head for the client; made anew only when something about it has changed."""
        request = self.head
        keep_alive = self._client.may_keep_alive()
        last = self._response
        if last[0] is not head or last[1] != request.version or last[2] is not keep_alive:
            self._context.sample(head)
            self._response = (head, request.version, keep_alive)
            delimited = head.length is not None and not isinstance(head.length, Chunked)
            self._keep_alive = keep_alive and (delimited or request.version == b"1.1")
            self._lines, self._chunked_down = downstream_head(
                head, request.version, keep_alive=self._keep_alive
            )
        permit = self._permit
        decision_id = permit.decision_id
        return self._lines + permit.lines + IDS_AND_END % (self._trail.request_id or decision_id, decision_id)

    def on_switch(self, head: ResponseHead, data: Bytes) -> None:
        self.begun = True
        self._status, self._bytes_down = head.status, len(data)
        self._chunked_down = False
        lines = self._head_down(head)
        self._keep_alive = False
        self._client.tunnel_opened()
        self._write(lines, data)

    def on_payload(self, payload: Bytes) -> None:
        self._bytes_down += len(payload)
        self._write(frame(payload) if self._chunked_down else payload)

    def on_complete(self) -> None:
        self.upstream = None
        if self._chunked_down:
            self._write(LAST_CHUNK)
        self._finished(Decision.ALLOWED, complete=True)
        self._client.call_ended(keep_alive=self._keep_alive)

    def on_error(self, error: UpstreamError) -> None:
        self.upstream = self._body = None
        denied = self._context.enforcer.failed(self._permit, error)
        if self.begun:
            self._finished(Decision.FAILED, complete=False)
            self._client.call_failed(None)
        else:
            self.open = False
            self._context.enforcer.metrics.in_flight -= 1
            self._client.call_failed(denied)

    def on_writable(self, *, writable: bool) -> None:
        self.stalled = not writable
        self._client.body_wanted(wanted=writable)
