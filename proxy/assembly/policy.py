"""From settings to a policy: its files' texts, or the shorthand."""

from collections.abc import Mapping

from proxy.errors import PolicyError
from proxy.policy.document import Source, build, parse
from proxy.policy.model import Mode, Policy
from proxy.policy.shorthand import document_of
from proxy.settings import Settings


def sources_of(settings: Settings, texts: Mapping[str, str]) -> list[Source]:
    """The documents that a policy is made of. `texts`: the content of each file by its path.

    Raises `PolicyError` with what is not TOML in any of them.
    """
    if settings.policy_file is None:
        return [Source("MORATORIUM_*", _shorthand(settings))]
    sources: list[Source] = []
    problems: list[str] = []
    for path in settings.policy_file:
        try:
            sources.append(parse(texts[str(path)], str(path)))
        except PolicyError as error:
            problems += error.problems
    if problems:
        raise PolicyError(problems)
    return sources


def make_policy(settings: Settings, texts: Mapping[str, str]) -> Policy:
    """The policy that holds under these settings.

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
    if settings.backend == "generic" and not policy.routes:
        raise PolicyError(
            [f"{first}: the generic backend needs [[route]] tables: it knows no operation itself"]
        )
    if settings.backend != "generic" and policy.routes:
        raise PolicyError([f"{first}: [[route]] tables are for the generic backend, not {settings.backend}"])
    return policy


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
