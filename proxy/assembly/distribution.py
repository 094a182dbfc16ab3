"""From settings to a subscription: where the policy is published, and whose signatures count."""

from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from proxy.authn.detached import parse_signing_keys
from proxy.authn.keyset import KeySet
from proxy.distribution.address import Address, context_of
from proxy.distribution.store import Store
from proxy.distribution.subscription import Subscription
from proxy.errors import KeySetInvalid, SettingsError
from proxy.settings import Settings


def make_subscription(settings: Settings, clock: Callable[[], float]) -> Subscription | None:
    """What follows the policy's address; None: the policy comes from files or the shorthand.

    Raises `SettingsError`.
    """
    if settings.policy_url is None:
        return None
    store = settings.policy_store_file
    return Subscription(
        make_address(settings),
        bundle_keys(settings),
        Store(store) if store is not None else None,
        clock,
        poll_seconds=settings.policy_poll_seconds,
        max_age=settings.policy_max_age_seconds,
    )


def make_renewal(subscription: Subscription | None, settings: Settings) -> Callable[[], None]:
    """What makes the subscription go on under these settings, to be called once all else is agreed.

    Raises `SettingsError`.
    """
    if subscription is None:
        return lambda: None
    return partial(subscription.renew, make_address(settings), bundle_keys(settings))


def make_address(settings: Settings) -> Address:
    """Where bundles are published.

    Raises `SettingsError`.
    """
    url = settings.policy_url or ""
    return Address(url, context_of(settings.policy_ca_file) if urlsplit(url).scheme == "https" else None)


def bundle_keys(settings: Settings) -> KeySet:
    """The public keys that may sign bundles.

    Raises `SettingsError`.
    """
    file = settings.policy_key_file
    if file is None:
        raise SettingsError(["MORATORIUM_POLICY_KEY_FILE: is needed"])
    try:
        return parse_signing_keys(file.read_bytes())
    except (OSError, KeySetInvalid) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise SettingsError([f"MORATORIUM_POLICY_KEY_FILE: {file}: {why}"]) from None
