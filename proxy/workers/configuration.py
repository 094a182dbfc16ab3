"""What all workers must agree on, read once: the variables, and the policy file's text.

Each worker is given these, and reads neither the environment nor the policy file itself. So a worker that
replaces another decides by what is in force, whatever stands in the file by then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.assembly import files_of, make_policy, policy_text
from proxy.policy.model import Policy
from proxy.settings import PREFIX, Settings, read_settings
from proxy.watch import Watch


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings and policy with what they were read from."""

    environ: dict[str, str]
    text: str | None
    settings: Settings
    policy: Policy

    @classmethod
    def read(cls, environ: Mapping[str, str], watch: Watch) -> "Configuration":
        """Read the files that the variables name; `watch` follows them from before they were read.

        Raises `SettingsError` or `PolicyError`.
        """
        settings = read_settings(environ)
        watch.follow(files_of(settings))
        text = policy_text(settings)
        ours = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
        return cls(ours, text, settings, make_policy(settings, text))

    def plain(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return {"environ": self.environ, "text": self.text}

    @classmethod
    def of_plain(cls, content: Mapping[str, Any]) -> "Configuration":
        """The same in another process. Raises as `read` does."""
        settings = read_settings(content["environ"])
        policy = make_policy(settings, content["text"])
        return cls(content["environ"], content["text"], settings, policy)
