"""What all workers must agree on, read once: the variables, and what stands in the files that decide.

Each worker is given these, and reads neither the environment nor those files itself. So a worker that
replaces another decides by what is in force, whatever stands in them by then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.assembly.files import files_of, texts_of
from proxy.assembly.policy import make_policy
from proxy.policy.model import Policy
from proxy.settings import PREFIX, Settings, read_settings
from proxy.watch import Watch


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings and policy with what they were read from."""

    environ: dict[str, str]
    texts: Mapping[str, str]
    settings: Settings
    policy: Policy

    @classmethod
    def read(cls, environ: Mapping[str, str], watch: Watch) -> "Configuration":
        """Read the files that the variables name; `watch` follows them from before they were read.

        Raises `SettingsError` or `PolicyError`.
        """
        settings = read_settings(environ)
        watch.follow(files_of(settings))
        texts = texts_of(settings)
        ours = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
        return cls(ours, texts, settings, make_policy(settings, texts))

    def plain(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return {"environ": self.environ, "texts": dict(self.texts)}

    @classmethod
    def of_plain(cls, content: Mapping[str, Any]) -> "Configuration":
        """The same in another process. Raises as `read` does."""
        settings = read_settings(content["environ"])
        policy = make_policy(settings, content["texts"])
        return cls(content["environ"], content["texts"], settings, policy)
