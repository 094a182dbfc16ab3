"""How we fail to decide, record or forward: one class per cause, with fields instead of prose.

A refusal is not an error: it is a value (`proxy.policy.reasons`). What is raised from here means that no
decision could be made, kept or carried out. Foreign exceptions are turned into these at the edge that met
them; nothing ever matches on a message text.
"""

from dataclasses import dataclass


class MoratoriumError(Exception):
    """The root: nothing else of ours is raised on purpose."""


class ConfigurationError(MoratoriumError):
    """What the operator wrote cannot be used. `problems` lists all of it, one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class SettingsError(ConfigurationError):
    """An environment variable or env file is wrong (exit 2)."""


class PolicyError(ConfigurationError):
    """A policy file is unreadable or invalid (exit 3)."""


class CasesError(ConfigurationError):
    """A file of policy cases is unreadable or invalid (exit 2)."""


@dataclass(eq=False)
class KeysUnavailable(MoratoriumError):
    """An issuer's keys cannot be had now, so no token of his can be judged."""

    issuer: str
    why: str

    def __str__(self) -> str:
        return f"keys of {self.issuer}: {self.why}"


@dataclass(eq=False)
class KeySetInvalid(MoratoriumError):
    """A JWK set or PEM file holds no key that may be used."""

    why: str

    def __str__(self) -> str:
        return self.why


@dataclass(eq=False)
class SignatureInvalid(MoratoriumError):
    """What should be signed is not signed by anybody who may, or is not what was signed."""

    why: str

    def __str__(self) -> str:
        return self.why


@dataclass(eq=False)
class PolicyRefused(MoratoriumError):
    """A distributed policy cannot be had or must not be used; the one in force stays."""

    result: str
    why: str

    def __str__(self) -> str:
        return f"policy {self.result}: {self.why}"


@dataclass(eq=False)
class AuditUnwritable(MoratoriumError):
    """The decision record could not be written; the call it speaks of must not go on."""

    why: str

    def __str__(self) -> str:
        return f"audit: {self.why}"


@dataclass(eq=False)
class UsesUncountable(MoratoriumError):
    """The uses of a limited exemption cannot be counted, so it lets nothing through."""

    why: str

    def __str__(self) -> str:
        return f"uses: {self.why}"


@dataclass(eq=False)
class UpstreamError(MoratoriumError):
    """A permitted call could not be carried out by the face API."""

    why: str

    def __str__(self) -> str:
        return f"upstream: {self.why}"


class UpstreamUnreachable(UpstreamError):
    """No connection could be made."""


class NoDescriptors(UpstreamUnreachable):
    """No connection could be made because this process has no file descriptor left for one."""


class CredentialUnavailable(UpstreamError):
    """The face API's own credential cannot be had, so the call is not sent without it."""


class UpstreamBroken(UpstreamError):
    """A connection was made, and the answer was missing, cut short or not HTTP."""


class UpstreamTimeout(UpstreamError):
    """The upstream did not answer within the time it has."""
