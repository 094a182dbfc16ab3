"""From settings to a policy: its files' texts, or the shorthand."""

from collections.abc import Mapping
from dataclasses import replace

from proxy.assembly.files import texts_of
from proxy.distribution.bundle import Bundle
from proxy.errors import PolicyError
from proxy.policy.document import Source, build, parse
from proxy.policy.model import Mode, Policy
from proxy.policy.shorthand import document_of
from proxy.settings import Settings


def sources_of(settings: Settings, texts: Mapping[str, str]) -> list[Source]:
    """The documents that a policy is made of. `texts`: the content of each file by its path.

    Raises `PolicyError` with what is not TOML in any of them.
    """
    if settings.policy_url is not None:
        names = sorted(texts)
        if not names:
            raise PolicyError([f"{settings.policy_url}: the policy there is not at hand"])
    elif settings.policy_file is not None:
        names = [str(path) for path in settings.policy_file]
    else:
        return [Source("MORATORIUM_*", _shorthand(settings))]
    sources: list[Source] = []
    problems: list[str] = []
    for name in names:
        try:
            sources.append(parse(texts[name], name))
        except PolicyError as error:
            problems += error.problems
    if problems:
        raise PolicyError(problems)
    return sources


def make_policy(settings: Settings, texts: Mapping[str, str], serial: int = 0) -> Policy:
    """The policy that holds under these settings. `serial`: of the bundle that the texts came in.

    Raises `PolicyError`.
    """
    sources = sources_of(settings, texts)
    policy = build(
        *sources,
        mode=Mode(settings.mode),
        unknown_operation="allow" if settings.unknown_operation == "allow" else "refuse",
        timezone=settings.timezone,
        backend=settings.backend,
    )
    first = sources[0].name
    limited = [f"{m.id}/{e.id}" for m in policy.moratoria for e in m.exemptions if e.limit is not None]
    if limited and settings.uses_file is None:
        raise PolicyError(
            [f"{first}: uses of {', '.join(limited)} must be counted: set MORATORIUM_USES_FILE"]
        )
    if settings.backend == "generic" and not policy.routes:
        raise PolicyError(
            [f"{first}: the generic backend needs [[route]] tables: it knows no operation itself"]
        )
    if settings.backend != "generic" and policy.routes:
        raise PolicyError([f"{first}: [[route]] tables are for the generic backend, not {settings.backend}"])
    return replace(policy, serial=serial)


def policy_at_hand(settings: Settings, bundle: Bundle | None) -> Policy:
    """What holds now: by the files, the shorthand, or the bundle that was had from the policy's address.

    Raises `PolicyError`.
    """
    if settings.policy_url is None:
        return make_policy(settings, texts_of(settings))
    if bundle is None:
        return no_policy(settings)
    return make_policy(settings, bundle.files, bundle.serial)


def no_policy(settings: Settings) -> Policy:
    """What holds until there is a policy: every call is refused."""
    return Policy((), frozenset(), frozenset(), mode=Mode(settings.mode), known=False)


def _shorthand(settings: Settings) -> dict[str, object]:
    return document_of(
        blocked_org_types=settings.blocked_org_types or (),
        blocked_operations=settings.blocked_operations,
        start=settings.start,
        end=settings.end,
        org_types=settings.org_types,
        exempt_purposes=settings.exempt_purposes,
        exempt_orgs=settings.exempt_orgs,
    )
