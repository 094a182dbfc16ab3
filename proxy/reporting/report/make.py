"""Puts a report together from what its parts have found."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from proxy.errors import SettingsError
from proxy.policy.instants import format_instant
from proxy.reporting.report.chains import Chains
from proxy.reporting.report.counts import count
from proxy.reporting.report.model import Asked, Report
from proxy.reporting.report.policies import Known, forces, revisions, strangers
from proxy.reporting.store import Store


def make(
    asked: Asked,
    files: Sequence[Path],
    left_out: Sequence[Path],
    chains: Chains,
    verification: dict[str, Any],
    known: Sequence[Known],
) -> Report:
    """The report over these files but for those that are left out. Raises `SettingsError`."""
    good = [file for file in files if file not in left_out]
    if not good:
        raise SettingsError(["none of these files can be read to its end"])
    store = Store(good)
    try:
        counts = count(store, asked.range, asked.small)
    finally:
        store.close()
    seen = revisions(chains.policies(), counts.policies, known)
    return Report(
        asked.title,
        asked.operator,
        format_instant(asked.made),
        asked.release,
        asked.range,
        counts.rule,
        counts.totals,
        counts.tables,
        seen,
        chains.changes(),
        forces(known, seen, asked.range),
        counts.seen,
        strangers(known, seen),
        chains.gaps(),
        chains.lives(),
        chains.spans(),
        _by_name(verification),
        tuple(file.name for file in left_out),
    )


def _by_name(verification: dict[str, Any]) -> dict[str, Any]:
    """Files by their names alone: a report is for the public, and where they lie is not."""
    return {
        **verification,
        "findings": [{**found, "place": Path(found["place"]).name} for found in verification["findings"]],
        "torn_at_the_end": [Path(place).name for place in verification["torn_at_the_end"]],
    }
