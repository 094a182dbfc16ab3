"""A body that is collected before its call goes on: within a bound for all calls together, sent on in pieces.

What the decision reads is what is sent: one value, held once, let go as soon as the upstream has taken it.
"""

from io import BytesIO

from proxy.authn.verifier import NeedKey
from proxy.enforcer import Denied, Memo, NeedSync
from proxy.messages import RequestHead, Trail
from proxy.pipeline import NeedBody
from proxy.policy.model import Permit
from proxy.relay.body import BodyReader
from proxy.relay.context import Context
from proxy.relay.exchange import Exchange
from proxy.relay.upstream import Upstream
from proxy.relay.wire import Bytes

PIECE = 128 * 1024
"""What the upstream does not take at once is copied, so it is never given more at a time."""


class Whole:
    """One call's body, from its first byte here to the last one upstream. `body`: None until it is whole."""

    __slots__ = ("_context", "_file", "_held", "_need", "_sent", "body")

    def __init__(self, context: Context, need: NeedBody) -> None:
        self._context = context
        self._need = need
        # Gives out what was written without a copy.
        self._file = BytesIO()
        self._held = 0
        self._sent = 0
        self.body: bytes | None = None

    def take(
        self, payload: Bytes, reader: BodyReader, head: RequestHead, memo: Memo, trail: Trail
    ) -> Permit | Denied | NeedKey | NeedBody | NeedSync | None:
        """Hold this as well; what is decided once nothing is missing, or there is no room for more."""
        context, size = self._context, len(payload)
        if context.held_bytes + size + reader.left > context.limits.held_bytes:
            return context.enforcer.unread(self._need, head, trail)
        context.held_bytes += size
        self._held += size
        self._file.write(payload)
        if not reader.done:
            return None
        self.body = self._file.getvalue()
        return context.enforcer.admit(head, memo, trail=trail, body=self.body)

    def framed(self, head: RequestHead) -> RequestHead:
        """The call as it goes on: of known length, and nobody need wait to be told to send it."""
        return head._replace(length=self._held, expects_continue=False)

    def start(self, exchange: Exchange, upstream: Upstream) -> None:
        """Send the head and as much of the body as is taken."""
        exchange.start(upstream, self._next(), last=self.sent)
        if exchange.upstream is upstream:
            self.send(exchange)

    def send(self, exchange: Exchange) -> None:
        """Send on as much as is taken."""
        while not self.sent and not exchange.stalled:
            piece = self._next()
            exchange.send(piece, last=self.sent)

    @property
    def sent(self) -> bool:
        """Whether nothing is left to send."""
        return self._sent >= self._held

    def _next(self) -> memoryview:
        assert self.body is not None  # noqa: S101
        piece = memoryview(self.body)[self._sent : self._sent + PIECE]
        self._sent += len(piece)
        return piece

    def release(self) -> None:
        """Make room for others."""
        self._context.held_bytes -= self._held
        self._held = 0
