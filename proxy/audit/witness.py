"""The heads of chains, told elsewhere as well: who cuts off the end of an audit file has to cut there too."""

import logging
import os

from proxy.audit.chain import Chain

log = logging.getLogger("moratorium.audit")

LOG = "log"


class Witness:
    """Another file, best on another volume, or the log (`log`). `failures`: how often it heard nothing."""

    def __init__(self, where: str) -> None:
        self._where = where
        self.failures = 0

    def __repr__(self) -> str:
        return f"<Witness {self._where} failures {self.failures}>"

    def tell(self, line: bytes, chain: Chain) -> None:
        """Hear of a checkpoint. A witness that cannot be reached stops nothing."""
        if self._where == LOG:
            head = {"chain": chain.id, "seq": chain.seq - 1, "head": chain.head.decode()}
            log.info("audit head", extra=head)
            return
        try:
            fd = os.open(self._where, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                os.write(fd, line)
            finally:
                os.close(fd)
        except OSError as error:
            if not self.failures:
                log.error("audit witness not written", extra={"why": f"{self._where}: {error.strerror}"})
            self.failures += 1
