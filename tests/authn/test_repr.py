"""What a look at an issuer's keys shows in a debugger: whose they are and where they come from."""

from pathlib import Path

from proxy.authn.keyring import KeyRing
from proxy.authn.keys import RemoteKeys
from proxy.authn.sources import FileKeys
from tests.authn.tokens import ISSUER, FixedClock


def test_a_key_ring_names_its_issuers_and_a_source_its_place() -> None:
    clock = FixedClock()
    remote = RemoteKeys(ISSUER, "https://issuer.test/keys", clock)
    found = RemoteKeys("https://other.test", None, clock)
    file = FileKeys("https://third.test", Path("keys.pem"), clock)

    assert repr(remote) == f"<RemoteKeys {ISSUER} https://issuer.test/keys>"
    assert repr(found) == "<RemoteKeys https://other.test by discovery>"
    assert repr(file) == "<FileKeys https://third.test keys.pem>"
    assert repr(KeyRing([remote, found])) == f"<KeyRing {ISSUER}, https://other.test>"
