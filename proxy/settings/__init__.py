"""The environment, once: names, types, defaults, help; all problems at once."""

from proxy.settings.read import PREFIX, read_settings
from proxy.settings.table import Settings

__all__ = ["PREFIX", "Settings", "read_settings"]
