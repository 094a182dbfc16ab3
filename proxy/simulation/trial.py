"""Puts a case to a policy, through the functions that the proxy asks. Pure."""

from pathlib import PurePath
from typing import Any, NamedTuple

from proxy.authn.claims import ClaimPaths, caller_of
from proxy.backends.registry import NAMES, make_backend
from proxy.errors import CasesError
from proxy.pipeline import refused
from proxy.policy.callers import FOREVER, Instant
from proxy.policy.cases import Case, Difference, differences
from proxy.policy.complaints import nearest
from proxy.policy.document import Source, build
from proxy.policy.engine import decide
from proxy.policy.model import Policy, Refusal, Verdict
from proxy.policy.operations import UNKNOWN_OPERATION, Operation, operation


class Trial(NamedTuple):
    """One case that was put to its policy."""

    case: Case
    policy: Policy
    verdict: Verdict
    differences: list[Difference]

    @property
    def passed(self) -> bool:
        return not self.differences


class Court:
    """One set of policy files, as each case wants it: as known at an instant, for a backend, in a mode."""

    def __init__(self, sources: list[Source], timezone: str) -> None:
        """Raises `PolicyError`."""
        self._sources = sources
        self._timezone = timezone
        self._policies: dict[tuple[Any, ...], Policy] = {}
        self._operations: dict[tuple[str, str], Operation] = {}
        self.policy = build(*sources, timezone=timezone)

    @property
    def names(self) -> list[str]:
        return [PurePath(source.name).name for source in self._sources]

    def problem(self, case: Case) -> str | None:
        """Why a case cannot be put, or None."""
        try:
            self._operation(case)
        except CasesError as error:
            return error.problems[0]
        return None

    def put(self, case: Case) -> Trial:
        """Judge one case.

        Raises `CasesError` when its operation does not exist.
        """
        policy, asked = self._policy(case), self._operation(case)
        issuer = str(case.claims.get("iss", "(claims)"))
        caller = caller_of(case.claims, ClaimPaths(), policy, issuer, FOREVER)
        if isinstance(caller, Refusal):
            verdict = refused(caller, case.at)
        else:
            verdict = decide(caller, asked, policy, case.at)
            spent: frozenset[str] = frozenset()
            while case.used_up and verdict.spends:
                spent |= {spend.key for spend in verdict.spends}
                verdict = decide(caller, asked, policy, case.at, spent)
        return Trial(case, policy, verdict, differences(case.want, verdict))

    def _policy(self, case: Case) -> Policy:
        known_at: Instant = case.known_at
        key = known_at, case.backend, case.mode, case.unknown_operation
        if key not in self._policies:
            self._policies[key] = build(
                *self._sources,
                timezone=self._timezone,
                known_at=known_at,
                backend=case.backend,
                mode=case.mode,
                unknown_operation=case.unknown_operation,
            )
        return self._policies[key]

    def _operation(self, case: Case) -> Operation:
        name = case.operation or "+".join(case.classes)
        if case.classes:
            return operation(
                name, *case.classes, traits=case.traits, media=case.media, is_result=case.is_result
            )
        if name == UNKNOWN_OPERATION.name:
            return UNKNOWN_OPERATION
        if case.backend not in NAMES:
            raise CasesError(
                [f"the operations of {case.backend!r} are not known here: say `classes` as well"]
            )
        if (case.backend, "") not in self._operations:
            known = make_backend(case.backend, self.policy.routes).operations()
            self._operations |= {(case.backend, found.name): found for found in known}
            self._operations[case.backend, ""] = UNKNOWN_OPERATION
        found = self._operations.get((case.backend, name))
        if found is None:
            names = [known for backend, known in self._operations if backend == case.backend and known]
            close = nearest(name, names) if names else ""
            raise CasesError([f"{name!r} is not in the table of {case.backend}{close}"])
        return found
