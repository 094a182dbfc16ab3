"""A proxy with several workers and closed files: each caller can be given what was decided about it."""

import asyncio
from pathlib import Path

from proxy.audit.checkpoint import Signer
from proxy.audit.segments import closed
from proxy.cli import main
from tests.audit.logs import PEM
from tests.harness.client import call
from tests.harness.process import serving
from tests.harness.upstream import RecordingUpstream
from tests.harness.waiting import until
from tests.reporting.bundles import asked, part

CALLERS = ("city-police", "museum", "vendor")


async def test_what_several_workers_wrote_is_proved_to_each_caller(tmp_path: Path) -> None:
    key, public = tmp_path / "audit.pem", tmp_path / "public.pem"
    key.write_bytes(PEM)
    public.write_bytes(Signer(PEM).public_pem)
    made: dict[str, set[str]] = {name: set() for name in CALLERS}
    async with (
        RecordingUpstream() as upstream,
        serving(
            tmp_path, upstream, workers="2", audit_key_file=str(key), audit_rotate_bytes="20000",
            audit_checkpoint_records="7",
        ) as served,
    ):  # fmt: skip
        file = served.folder / "audit.jsonl"

        async def one(organisation: str) -> None:
            org_type = "police" if organisation == "city-police" else "commercial"
            bearer = ("Authorization", f"Bearer {served.mint.token(org_type, organisation)}")
            answer = await call(served.port, "POST", "/v1/search", [bearer], b"{}")
            made[organisation].update(value.decode() for value in answer.values(b"x-decision-id"))

        for _ in range(3):
            files = len(closed(file))
            await asyncio.gather(*(one(CALLERS[number % 3]) for number in range(45)))
            await until(lambda files=files: len(closed(file)) > files, "a file to be closed")  # type: ignore[misc]
        assert await served.end() == 0
        logs = [str(path) for path in [*closed(file), file] if path.exists()]

    assert len(logs) >= 3
    for organisation in CALLERS:
        bundle = tmp_path / organisation
        words = ["--key", str(public), "--org", organisation, "--out", str(bundle)]
        assert main(["audit", "export", *logs, *words]) == 0
        decisions = [r for r in part(bundle, "records.jsonl") if r["kind"] == "decision"]
        assert {r["id"] for r in decisions} == made[organisation]
        assert len(decisions) == 45
        assert part(bundle, "unproved.jsonl") == []
        ends = [copy["call"]["id"] for copy in part(bundle, "outcomes.jsonl")]
        ends += [c["id"] for r in part(bundle, "records.jsonl") for c in r.get("calls", [])]
        assert set(ends) == (set() if organisation == "city-police" else made[organisation])
        assert len(ends) == len(set(ends))
        code, said = asked(bundle, "--key", public)
        assert (code, said.splitlines()[-1]) == (0, "PASS")
        # Both workers had some of them.
        assert len({r["chain"] for r in decisions}) == 2
