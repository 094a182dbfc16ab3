"""TLS on both sides: contexts made from files, whole and checked before anybody uses them.

A context is never changed once it is made. New files make a new one, and what is wrong with them shows while
the old one still serves.
"""

import ssl
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from proxy.errors import SettingsError

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
ALPN = ["http/1.1"]


class Identity(NamedTuple):
    """A certificate with its chain, and its key; `setting` is named in complaints."""

    certificate: Path
    key: Path
    setting: str

    def load_into(self, context: ssl.SSLContext) -> None:
        """Raises `SettingsError`."""
        try:
            # Without a password that cannot be asked for: an encrypted key would wait at a terminal.
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except (OSError, ValueError) as error:
            files = f"{self.certificate} and {self.key}"
            raise SettingsError([f"{self.setting}: {files}: {_why(error)}"]) from None

    def ends_at(self) -> float:
        """When the certificate ends, in seconds since the epoch. Raises `SettingsError`."""
        try:
            leaf = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        except (OSError, ValueError) as error:
            raise SettingsError([f"{self.setting}: {self.certificate}: {_why(error)}"]) from None
        return leaf.not_valid_after_utc.timestamp()


def _no_password() -> bytes:
    raise ValueError("the key is encrypted; a key without a password is needed")


def server_context(identity: Identity, client_ca: Path | None) -> ssl.SSLContext:
    """For clients: TLS 1.2 and up; with `client_ca` only for those that show a certificate by it.

    Raises `SettingsError`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(ALPN)
    identity.load_into(context)
    if client_ca is not None:
        _trust(context, client_ca, "MORATORIUM_TLS_CLIENT_CA_FILE")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(ca: Path | None, minimum: str, identity: Identity | None) -> ssl.SSLContext:
    """For the face API: the system's authorities or the given ones, and names are checked.

    Raises `SettingsError`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = VERSIONS[minimum]
    context.set_alpn_protocols(ALPN)
    if ca is not None:
        _trust(context, ca, "MORATORIUM_UPSTREAM_CA_FILE")
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if identity is not None:
        identity.load_into(context)
    return context


def _trust(context: ssl.SSLContext, ca: Path, setting: str) -> None:
    try:
        context.load_verify_locations(ca)
    except (OSError, ValueError) as error:
        raise SettingsError([f"{setting}: {ca}: {_why(error)}"]) from None


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not PEM").lower().replace("_", " ")
    return getattr(error, "strerror", None) or str(error)
