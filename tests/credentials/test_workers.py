"""Several workers: each has the credential, and the parent publishes the key of the assertions."""

import json
from pathlib import Path

from tests.credentials.test_assertion import KEYS, write_key
from tests.harness.client import call
from tests.harness.process import serving
from tests.harness.upstream import RecordingUpstream
from tests.harness.waiting import until


async def test_workers_put_the_credential_in_and_the_parent_publishes_the_key(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("tok-1", "utf-8")
    settings = write_key(tmp_path, KEYS["EdDSA"]) | {
        "upstream_auth": "bearer",
        "upstream_token_command": f"cat {tmp_path / 'token'}",
    }
    async with (
        RecordingUpstream() as upstream,
        serving(tmp_path, upstream, workers="2", **settings) as served,
    ):
        said = {}
        for _ in range(100):
            said = json.loads((await served.probe("readyz")).body)["components"]
            if said.get("credential") == "ok":
                break
        answer = await served.call()
        published = await call(
            int(settings["admin_listen"].rpartition(":")[2]), "GET", "/.well-known/jwks.json"
        )
        await until(lambda: upstream.messages, "the call")

        assert (answer.status, said["credential"]) == (200, "ok")
        assert upstream.messages[0].values(b"authorization") == [b"Bearer tok-1"]
        assert len(json.loads(published.body)["keys"]) == 1
