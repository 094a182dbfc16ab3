"""boto3 and curl through the cases that are over in a moment; `./run verify clients` has all the others."""

from dataclasses import replace
from pathlib import Path

from tests.clients.cases import Case
from tests.clients.dialects import DEEPFACE
from tests.clients.driven import Curl
from tests.clients.expected import EXPECTED, faults
from tests.clients.listed import CLIENTS, Client, driven
from tests.clients.stand import WELL, Stand, stand
from tests.clients.trial import outcomes


def named(name: str) -> Client:
    (found,) = [client for client in CLIENTS if client.name == name]
    return found


async def test_boto3_sees_what_it_should_in_every_case(aws: Stand, tmp_path: Path) -> None:
    # Twice is enough to see that it repeats a call, and does not make the suite wait.
    client = replace(named("boto3"), environment={"AWS_MAX_ATTEMPTS": "2"})
    cases = [case for case in Case if case is not Case.UNDECIDED]
    async with driven(client, tmp_path, aws, tmp_path) as running:
        found = {o.case: o async for o in outcomes(client, running, aws, tmp_path, cases)}

    assert list(found) == cases
    assert [(case, fault) for case, o in found.items() for fault in faults(client, o)] == []
    assert (found[Case.DOWN].attempts, found[Case.THROTTLED].attempts) == (2, 2)
    assert (aws.face_api.leaked, aws.face_api.strange) == (0, 0)


async def test_curl_sees_what_the_proxy_and_the_face_api_say(tmp_path: Path) -> None:
    client = named("curl")
    cases = [Case.ALLOWED, Case.BLOCKED, Case.EXEMPT, Case.BAD_TOKEN, Case.TOO_LARGE, Case.THROTTLED]
    async with (
        stand(client.dialect, tmp_path, names=(WELL,)) as built,
        driven(client, tmp_path, built, tmp_path) as running,
    ):
        found = [o async for o in outcomes(client, running, built, tmp_path, cases)]

    assert [(o.case, fault) for o in found for fault in faults(client, o)] == []
    assert (built.face_api.leaked, built.face_api.strange) == (0, 0)
    assert isinstance(running, Curl)
    assert (found[-1].saw.status, running.last_body) == (DEEPFACE.throttled.status, DEEPFACE.throttled.body)


def test_every_client_says_what_it_should_see() -> None:
    assert {client.name for client in CLIENTS} == set(EXPECTED)
