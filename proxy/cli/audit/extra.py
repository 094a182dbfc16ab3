"""What needs the extra `report`, imported when a verb runs: `verify` and `--help` go without it."""

import importlib
from typing import Any

from proxy.errors import SettingsError

_PACKAGES = ("duckdb", "typst")


def reporting(name: str) -> Any:
    """A module of `proxy.reporting`. Raises `SettingsError` when what it is made with is not installed."""
    try:
        return importlib.import_module(f"proxy.reporting.{name}")
    except ModuleNotFoundError as error:
        if error.name not in _PACKAGES:
            raise
        raise SettingsError([f"{error.name} is not installed: pip install 'moratorium[report]'"]) from None
