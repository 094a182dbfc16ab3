"""What ran on what: versions of programs and a description of the machine."""

import os
import platform
import re
import subprocess
from pathlib import Path


def first_number(command: list[str]) -> str:
    """The first thing that looks like a version in what a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    found = re.search(r"\d+\.\d+[\w.+-]*", done.stdout + done.stderr)
    return found.group() if found else "unknown"


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def machine() -> dict[str, str]:
    """Cores, processor, kernel and interpreter."""
    return {
        "cores": str(os.cpu_count()),
        "processor": cpu_model(),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load generator": f"wrk {first_number(['wrk', '-v'])}, one thread",
    }
