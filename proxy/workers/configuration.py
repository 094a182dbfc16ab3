"""What all workers must agree on, read once: the variables, and what stands in the files that decide.

Each worker is given these, and reads neither the environment nor those files itself. So a worker that
replaces another decides by what is in force, whatever stands in them by then.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from proxy.assembly.files import files_of, identity_texts_of, standing_texts_of, texts_of
from proxy.assembly.identity import NOBODY, Identity, make_identity
from proxy.assembly.policy import make_policy, no_policy
from proxy.assembly.standing import make_standing
from proxy.distribution.bundle import Bundle
from proxy.policy.model import Policy
from proxy.settings import PREFIX, Settings, read_settings
from proxy.watch import Watch


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings and policy with what they were read from."""

    environ: dict[str, str] = field(repr=False)
    texts: Mapping[str, str] = field(repr=False)
    settings: Settings
    policy: Policy
    serial: int = 0
    standing_texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    identity: Identity = NOBODY

    @classmethod
    def read(cls, environ: Mapping[str, str], watch: Watch) -> "Configuration":
        """Read the files that the variables name; `watch` follows them from before they were read. A policy
        that comes from an address is not there yet.

        Raises `SettingsError` or `PolicyError`.
        """
        settings = read_settings(environ)
        watch.follow(files_of(settings))
        texts = texts_of(settings)
        policy = no_policy(settings) if settings.policy_url is not None else make_policy(settings, texts)
        ours = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
        about = standing_texts_of(settings)
        make_standing(settings, policy, about)
        identity = make_identity(settings, identity_texts_of(settings))
        return cls(ours, texts, settings, policy, standing_texts=about, identity=identity)

    def under(self, bundle: Bundle | None) -> "Configuration":
        """The same with the policy of this bundle, if there is one.

        Raises `PolicyError`.
        """
        if bundle is None:
            return self
        policy = make_policy(self.settings, bundle.files, bundle.serial)
        make_standing(self.settings, policy, self.standing_texts)
        return replace(self, texts=bundle.files, policy=policy, serial=bundle.serial)

    def plain(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return {
            "environ": self.environ,
            "texts": dict(self.texts),
            "serial": self.serial,
            "standing_texts": dict(self.standing_texts),
            "identity_texts": dict(self.identity.texts),
        }

    @classmethod
    def of_plain(cls, content: Mapping[str, Any]) -> "Configuration":
        """The same in another process. Raises as `read` does."""
        settings = read_settings(content["environ"])
        texts, serial = content["texts"], content["serial"]
        if settings.policy_url is not None and not texts:
            policy = no_policy(settings)
        else:
            policy = make_policy(settings, texts, serial)
        return cls(
            content["environ"],
            texts,
            settings,
            policy,
            serial,
            content["standing_texts"],
            make_identity(settings, content["identity_texts"]),
        )
