"""One client's visit: makes calls, reads answers, and knows what to expect of each."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tests.harness.client import Answer, AnswerCutError, Fields, RawClient, request
from tests.soak.issuer import Issuer
from tests.soak.ledger import Ledger, SurpriseError

PIECE = 32 * 1024


@dataclass
class Visit:
    """`kind` is the row of the table that its calls are counted in."""

    kind: str
    port: int
    issuer: Issuer
    rng: random.Random
    ledger: Ledger
    _numbers: list[str] = field(default_factory=list)

    def bearer(self, org_type: str = "commercial", *, fresh: bool = False) -> tuple[str, str]:
        return ("Authorization", f"Bearer {self.issuer.token(org_type, fresh=fresh)}")

    def get(self, how: str = "plain", *, size: int = 2, fields: Fields = (), fresh: bool = False) -> bytes:
        """A whole call that is let through; `how` is how the face API will behave."""
        target = f"/v1/faces/{self.rng.randrange(1000)}?{self._query(how, size)}"
        return request("GET", target, [self.bearer(fresh=fresh), *fields])

    def detect(self, how: str = "plain", *, fields: Fields = (), body: bytes | None = None) -> bytes:
        """The same with a body, or with none yet."""
        return request("POST", f"/v1/detect?{self._query(how)}", [self.bearer(), *fields], body)

    def search(self, body: bytes | None = b"face") -> bytes:
        """A call that is blocked."""
        return request("POST", "/v1/search", [self.bearer("police")], body)

    def _query(self, how: str, size: int = 2) -> str:
        self._numbers.append(f"{self.rng.getrandbits(64):x}")
        return f"n={self._numbers[-1]}&how={how}&size={size}"

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[RawClient]:
        client = await RawClient.connect(self.port)
        try:
            yield client
        finally:
            client.abort()

    async def expect(
        self, client: RawClient, *statuses: int, method: bytes = b"GET", took: int | None = None
    ) -> Answer:
        """Read one answer. One with 200 must be that of the next call that was made and let through."""
        self.ledger.calls[self.kind] += 1
        try:
            answer = await client.answer(method)
        except AnswerCutError as error:
            raise SurpriseError(f"{statuses} expected, {error}") from None
        except TimeoutError:
            raise SurpriseError(f"{statuses} expected, nothing came") from None
        self.ledger.note(self.kind, answer)
        # An idle connection may close in the moment in which a call is sent on it; a call is sent once.
        raced = answer.status == 502 and 200 in statuses and answer.json()["title"] == "upstream-broken"
        self.ledger.raced += raced
        if answer.status not in statuses and not raced:
            raise SurpriseError(f"{statuses} expected, {answer.status} came: {answer.body[:300]!r}")
        if answer.status not in (401, 403, 451):
            self._mine(answer, took)
        return answer

    def _mine(self, answer: Answer, took: int | None) -> None:
        """Each call has a number that the face API sends back."""
        number = self._numbers.pop(0) if self._numbers else ""
        if answer.status == 200:
            if answer.values(b"x-echo") != [number.encode()]:
                raise SurpriseError(f"the answer of another call: {answer.values(b'x-echo')}, not {number}")
            if took is not None and answer.values(b"x-took") != [b"%d" % took]:
                raise SurpriseError(f"of {took} bytes, {answer.values(b'x-took')} arrived")

    async def cut(self, client: RawClient) -> None:
        """Read an answer that must be seen to be incomplete."""
        self.ledger.calls[self.kind] += 1
        try:
            answer = await client.answer()
        except AnswerCutError:
            return
        # The face API may end its half answer before the proxy has read the head of it.
        if answer.status != 502:
            raise SurpriseError(f"a cut answer looks whole: {answer.status} {answer.body[:100]!r}")
        self.ledger.note(self.kind, answer)

    async def send_in_time(self, client: RawClient, data: bytes, seconds: float) -> None:
        """Spread over this time."""
        count = max(1, len(data) // PIECE)
        size = -(-len(data) // count)
        for start in range(0, len(data), size):
            await client.send(data[start : start + size])
            await asyncio.sleep(seconds / count)
