"""What verification has found, as plain values."""

from typing import Any

from proxy.audit.verify import Verification


def summary(verification: Verification, files: int) -> dict[str, Any]:
    """What was found, for programs. After `finish`."""
    seals, fragments = verification.seals, verification.fragments
    ends: dict[str, int] = {}
    closed = set()
    for stretch in verification.stretches:
        ends[stretch.chain] = max(stretch.last, ends.get(stretch.chain, -1))
        if stretch.closed:
            closed.add(stretch.chain)
    return {
        "files": files,
        "records": verification.records,
        "decisions": verification.decisions,
        "chains": len(ends),
        "closed": len(closed),
        "signed_by": sorted(set(seals.keys.values())),
        "key_given": seals.key is not None,
        "after_the_last_signature": sum(end - seals.signed_to.get(chain, -1) for chain, end in ends.items()),
        "trees": verification.trees,
        "trees_apart": verification.trees_apart,
        "retired": sum(run.last - run.first + 1 for run in seals.gone()),
        "torn": fragments.torn,
        "torn_at_the_end": [str(place) for place in fragments.last_lines],
        "empty_lines": verification.empty,
        "findings": [
            {
                "flaw": finding.flaw, "place": str(finding.place), "chain": finding.chain,
                "seq": finding.seq, "says": finding.says,
            }
            for finding in verification.findings
        ],
    }  # fmt: skip
