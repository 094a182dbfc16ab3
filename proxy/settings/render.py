"""Writes the settings table for people: `config/example.env` and `docs/configuration.md`.

`python -m proxy.settings.render` writes both; a test keeps them equal to the table.
"""

from pathlib import Path

from proxy.settings.read import variables
from proxy.settings.table import GROUPS


def example_env() -> str:
    """Every variable, commented out with its default, in words Docker and sh read alike."""
    lines = [
        "# Every setting of moratorium. Values stand unquoted and comments on lines of their own: Docker,",
        "# Kubernetes, systemd and sh all read such a file alike. Written from proxy/settings/table.py.",
    ]
    for group, title in GROUPS.items():
        lines += ["", f"# ---- {title}"]
        for name, field in variables().items():
            meta = field.metadata
            if meta["group"] == group:
                lines += ["", f"# {meta['help']}" + (" Required." if meta["required"] else "")]
                lines.append(f"#{name}={meta['default']}")
    return "\n".join(lines) + "\n"


def configuration_page() -> str:
    """The reference page."""
    lines = [
        "# Configuration",
        "",
        "Settings come from the environment. `--env-file FILE` (or `MORATORIUM_ENV_FILE`) reads a file too;",
        "a variable that is set for real wins over the file. An empty variable counts as not set. An unknown",
        "`MORATORIUM_*` name is an error. `moratorium check` reports every problem at once and exits with 2",
        "for settings and 3 for the policy. This page is written from the settings table.",
    ]
    for group, title in GROUPS.items():
        lines += ["", f"## {title}", "", "| variable | default | meaning |", "|---|---|---|"]
        for name, field in variables().items():
            meta = field.metadata
            if meta["group"] == group:
                default = (
                    "required" if meta["required"] else f"`{meta['default']}`" if meta["default"] else ""
                )
                lines.append(f"| `{name}` | {default} | {meta['help']} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    root = Path(__file__).parents[2]
    (root / "config" / "example.env").write_text(example_env(), "utf-8")
    (root / "docs" / "configuration.md").write_text(configuration_page(), "utf-8")
