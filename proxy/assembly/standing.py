"""From settings to what is known of organisations and tokens besides what tokens say."""

from collections.abc import Mapping

from proxy.authn.standing import NO_STANDING, Standing
from proxy.authn.standing_file import Revocations, read_registry, read_revocations
from proxy.errors import PolicyError
from proxy.policy.callers import Instant
from proxy.policy.model import Policy
from proxy.settings import Settings


def make_standing(settings: Settings, policy: Policy, texts: Mapping[str, str]) -> Standing:
    """The registry and the revocations. `texts`: the content of each file by its path.

    Raises `PolicyError` with what is wrong with either.
    """
    if settings.registry_file is None and settings.revocations_file is None:
        return NO_STANDING
    problems: list[str] = []
    registry, revocations = None, Revocations({})
    if settings.registry_file is not None:
        name = str(settings.registry_file)
        words = policy.org_types, policy.org_subtypes
        try:
            registry = read_registry(texts[name], name, words if policy.known else None, settings.timezone)
        except PolicyError as error:
            problems += error.problems
    if settings.revocations_file is not None:
        name = str(settings.revocations_file)
        try:
            revocations = read_revocations(texts[name], name, settings.timezone)
        except PolicyError as error:
            problems += error.problems
    if problems:
        raise PolicyError(problems)
    return Standing(registry, revocations.suspensions, revocations.revoked)


def describe(
    standing: Standing, settings: Settings, issuers: frozenset[str], now: Instant
) -> list[tuple[str, str, str]]:
    """What `moratorium check` says of both files: part, state, and a sentence for each."""
    said: list[tuple[str, str, str]] = []
    registry, suspensions = standing.registry, standing.suspensions
    if registry is not None:
        expired = sum(entry.valid_until <= now for entry in registry.values())
        said.append(("registry", "ok", f"{len(registry)} organisations, {expired} of them expired"))
    if settings.revocations_file is not None:
        suspended = sum(any(one.holds(now) for one in spans) for spans in suspensions.values())
        says = f"{suspended} organisations suspended now; {standing.revoked} revoked"
        said.append(("revocations", "ok", says))
    unknown = suspensions.keys() - registry.keys() if registry is not None else ()
    without_effect = [f"{org_id} is suspended, and not in the registry" for org_id in sorted(unknown)]
    strange = standing.revoked.issuers() - issuers
    without_effect += [f"{issuer} is not an issuer of yours" for issuer in sorted(strange)]
    return [*said, *(("revocations", "warning", says) for says in without_effect)]
