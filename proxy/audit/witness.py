"""The heads of chains, told elsewhere as well: who cuts off the end of an audit file has to cut there too."""

import logging
import os
from collections.abc import Callable

from proxy.audit.chain import Chain
from proxy.policy.callers import Instant

log = logging.getLogger("moratorium.audit")

LOG = "log"


class Witness:
    """Another file, best on another volume, or the log (`log`). `failures`: how often it heard nothing.

    `last_success`: when it last heard, by `clock`; 0 for never.
    """

    def __init__(self, where: str, clock: Callable[[], Instant] = float) -> None:
        self._where = where
        self._clock = clock
        self._deaf = False
        self.failures = 0
        self.last_success: Instant = 0.0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._where} failures {self.failures}>"

    def tell(self, line: bytes, chain: Chain) -> None:
        """Hear of a checkpoint. A witness that cannot be reached stops nothing."""
        if self._where == LOG:
            head = {"chain": chain.id, "seq": chain.seq - 1, "head": chain.head.decode()}
            log.info("audit head", extra=head)
            self._heard()
            return
        try:
            fd = os.open(self._where, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                os.write(fd, line)
            finally:
                os.close(fd)
        except OSError as error:
            self._missed(error.strerror or type(error).__name__)
        else:
            self._heard()

    async def send_forever(self) -> None:
        """Send on what was told; here it has been already."""

    async def send_last(self) -> None:
        """When nothing more will be told: try once to send what was not heard yet."""

    def _heard(self) -> None:
        self._deaf, self.last_success = False, self._clock()

    def _missed(self, why: str) -> None:
        """Count it; the log says it once, until the witness has heard again."""
        if not self._deaf:
            log.error("audit witness not told", extra={"why": f"{self._where}: {why}"})
        self._deaf = True
        self.failures += 1
