"""Uses of limited exemptions are counted on disk; what cannot be counted lets nothing through."""

import os
from pathlib import Path

import pytest

from proxy.errors import UsesUncountable
from proxy.ledger import Ledger
from proxy.policy.model import Limit, Spend
from tests.harness.client import Answer, RawClient
from tests.harness.proxy import MORATORIUM, Proxy, running_proxy

TWICE_A_DAY = Spend("warrant", Limit(2, 86400))
EVER = Spend("other", Limit(1))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "uses"


def test_a_limit_is_reached_and_frees_itself_with_time(path: Path) -> None:
    ledger = Ledger(path)

    assert [ledger.take((TWICE_A_DAY,), at) for at in (0, 10, 20)] == [None, None, "warrant"]
    assert ledger.take((TWICE_A_DAY,), 86400) is None
    assert ledger.take((TWICE_A_DAY,), 86401) == "warrant"
    ledger.close()


def test_a_limit_without_a_span_is_for_ever(path: Path) -> None:
    ledger = Ledger(path)

    assert [ledger.take((EVER,), at) for at in (0, 1e12)] == [None, "other"]
    ledger.close()


def test_all_uses_are_taken_or_none(path: Path) -> None:
    ledger = Ledger(path)
    ledger.take((EVER,), 0)

    assert ledger.take((TWICE_A_DAY, EVER), 1) == "other"
    assert [ledger.take((TWICE_A_DAY,), at) for at in (2, 3, 4)] == [None, None, "warrant"]
    ledger.close()


def test_a_clock_that_steps_back_frees_nothing(path: Path) -> None:
    ledger = Ledger(path)
    for at in (1e9, 1e9 + 1):
        ledger.take((TWICE_A_DAY,), at)

    assert ledger.take((TWICE_A_DAY,), 5) == "warrant"
    ledger.close()


def test_a_second_process_sees_what_the_first_has_taken(path: Path) -> None:
    first, second = Ledger(path), Ledger(path)
    first.take((EVER,), 0)

    assert second.take((EVER,), 1) == "other"
    first.close()
    second.close()


def test_what_cannot_be_counted_is_an_error_and_heals(tmp_path: Path) -> None:
    path = tmp_path / "not yet" / "uses"
    ledger = Ledger(path)

    with pytest.raises(UsesUncountable):
        ledger.take((EVER,), 0)
    assert "unable to open" in str(ledger.fault())

    path.parent.mkdir()
    assert ledger.fault() is None
    assert ledger.take((EVER,), 0) is None
    ledger.close()


def test_without_a_file_nothing_is_counted() -> None:
    with pytest.raises(UsesUncountable, match="MORATORIUM_USES_FILE"):
        Ledger(None).take((EVER,), 0)


# ---------------------------------------------------------------- through the whole proxy

LIMITED = (
    MORATORIUM
    + """
[[moratorium.exemption]]
id = "missing-persons"
purposes = ["missing-persons"]
limit = { uses = 2, per = "1d", by = "organisation" }
obligations = ["report"]
"""
)


async def ask(proxy: Proxy, **claims: str) -> Answer:
    fields = [proxy.bearer("police", purpose="missing-persons", **claims)]
    return await proxy.call("POST", "/v1/search", b"{}", caller=None, fields=fields)


async def test_a_limited_exemption_lets_so_many_calls_through_and_no_more(tmp_path: Path) -> None:
    async with running_proxy(policy=LIMITED, uses_file=str(tmp_path / "uses")) as proxy:
        found = [(await ask(proxy)).status for _ in range(3)]

        assert found == [200, 200, 451]
        assert (await ask(proxy, org_id="org-2")).status == 200

        proxy.clock.now += 86400
        answer = await ask(proxy)
        assert (answer.status, answer.values(b"x-policy-obligations")) == (200, [b"report"])
        assert proxy.reasons() == ["exempt", "exempt", "moratorium", "exempt", "exempt"]


async def test_one_connection_cannot_use_an_exemption_more_often(tmp_path: Path) -> None:
    """What a connection remembers is not asked again; a use is one call, so this must be."""
    async with running_proxy(policy=LIMITED, uses_file=str(tmp_path / "uses")) as proxy:
        name, token = proxy.bearer("police", purpose="missing-persons")
        head = f"POST /v1/search HTTP/1.1\r\nHost: a\r\n{name}: {token}\r\nContent-Length: 0\r\n\r\n"
        async with RawClient.to(proxy.port) as client:
            for _ in range(4):
                await client.send(head.encode())
                await client.answer(b"POST")

        assert proxy.reasons() == ["exempt", "exempt", "moratorium", "moratorium"]


async def test_uses_that_cannot_be_counted_let_nothing_through(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    async with running_proxy(policy=LIMITED, uses_file=str(folder / "uses")) as proxy:
        answer = await ask(proxy)

        assert (answer.status, len(answer.values(b"retry-after"))) == (503, 1)
        assert proxy.reasons() == ["limit-uncountable"]
        assert (await proxy.call("POST", "/v1/search", b"{}")).status == 200

        os.mkdir(folder)
        assert (await ask(proxy)).status == 200


async def test_an_anonymous_organisation_cannot_be_counted(tmp_path: Path) -> None:
    async with running_proxy(policy=LIMITED, uses_file=str(tmp_path / "uses")) as proxy:
        fields = [proxy.bearer("police", org_id=None, purpose="missing-persons")]

        assert (await proxy.call("POST", "/v1/search", b"{}", caller=None, fields=fields)).status == 451
