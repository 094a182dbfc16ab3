"""What presets have in common whose calls are named by method and path: all but their words and answers."""

from proxy.backends.base import Sketch
from proxy.backends.table import Table
from proxy.messages import RequestHead
from proxy.policy.model import Refusal
from proxy.policy.operations import Operation


class ByPath:
    """What a preset inherits that is a table of methods and paths.

    `table` is the table's name, `package` the package that has it in its folder `tables`.
    """

    table: str
    package: str = "proxy.backends"
    reads: frozenset[bytes] = frozenset({b"content-type", b"content-encoding"})

    def __init__(self, *, inline_only: bool = False) -> None:
        self._table = Table(self.table, inline_only=inline_only, package=self.package)

    def operations(self) -> tuple[Operation, ...]:
        return self._table.operations()

    def classify(self, head: RequestHead) -> Operation | Refusal | Sketch:
        return self._table.classify(head)

    def read(self, head: RequestHead, body: bytes) -> Operation | Refusal:
        return self._table.read(head, body)

    def upgrades(self, _head: RequestHead) -> bool:
        return False
