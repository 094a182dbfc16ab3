"""What has to be there before wrk can make a load, and where the harness itself runs."""

import os
import resource
import shutil
import signal
import sys

from rich.console import Console

from bench.processes import CORES, LOAD_CORES


def prepare(console: Console) -> bool:
    """Check what is needed, and take the harness itself off the proxy's core."""
    missing = [name for name in ("wrk", "cc", "taskset") if shutil.which(name) is None]
    if missing:
        console.print(f"[red]Not installed: {', '.join(missing)}. On Debian or Ubuntu:[/]")
        console.print("  apt-get install -y wrk gcc libc6-dev haproxy util-linux")
        return False
    if len(CORES) < 2:
        console.print("[yellow]There is only one core: proxy and load generator share it.[/]")
    os.sched_setaffinity(0, LOAD_CORES)
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return True
