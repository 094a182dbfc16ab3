"""What each error says: who could not do what, and why."""

import pytest

from proxy import errors


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (errors.SettingsError(["one", "two"]), "one\ntwo"),
        (errors.KeysUnavailable("https://issuer", "no answer"), "keys of https://issuer: no answer"),
        (errors.KeySetInvalid("no key"), "no key"),
        (errors.PolicyRefused("stale", "an older serial"), "policy stale: an older serial"),
        (errors.AuditUnwritable("disk full"), "audit: disk full"),
        (errors.UsesUncountable("locked"), "uses: locked"),
        (errors.UpstreamTimeout("no answer"), "upstream: no answer"),
    ],
)
def test_an_error_says_what_it_is_about(error: errors.MoratoriumError, says: str) -> None:
    assert str(error) == says
