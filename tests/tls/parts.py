"""Certificates, contexts and proxies that the tests of TLS share."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme

from tests.harness.client import RawClient
from tests.harness.proxy import Proxy, running_proxy
from tests.harness.upstream import RecordingUpstream, Script, ordinary

CA = trustme.CA()
STRANGER = trustme.CA()
MEGABYTE = bytes(range(256)) * 4096
BOUND = 512 * 1024
"""More than all queues of a call may hold; much less than what the tests send."""
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


def issue(*names: str, ca: trustme.CA = CA, expired: bool = False) -> trustme.LeafCert:
    """A certificate for these names."""
    end = LONG_AGO if expired else datetime.now(UTC) + timedelta(days=1)
    return ca.issue_cert(*names, not_before=LONG_AGO - timedelta(days=1), not_after=end)


def write(folder: Path, stem: str, leaf: trustme.LeafCert) -> dict[str, str]:
    """Write certificate and key; gives where they are."""
    certificate, key = folder / f"{stem}.pem", folder / f"{stem}.key"
    certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    key.write_bytes(leaf.private_key_pem.bytes())
    return {"cert_file": str(certificate), "key_file": str(key)}


def ca_file(folder: Path, ca: trustme.CA = CA) -> str:
    file = folder / "ca.pem"
    file.write_bytes(ca.cert_pem.bytes())
    return str(file)


def server(leaf: trustme.LeafCert, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """What a face API would have."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = newest
    context.set_alpn_protocols(["h2", "http/1.1"])
    leaf.configure_cert(context)
    return context


def client(
    leaf: trustme.LeafCert | None = None, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> ssl.SSLContext:
    """What a caller would have."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = newest
    context.set_alpn_protocols(["h2", "http/1.1"])
    CA.configure_trust(context)
    if leaf is not None:
        leaf.configure_cert(context)
    return context


@contextlib.asynccontextmanager
async def before_tls(
    folder: Path, script: Script = ordinary, /, *, tls: ssl.SSLContext | None = None, **overrides: str
) -> AsyncIterator[tuple[RecordingUpstream, Proxy]]:
    """A proxy in front of a face API that speaks TLS."""
    async with RecordingUpstream(script, tls=tls or server(issue("127.0.0.1"))) as upstream:
        usual: dict[str, Any] = {
            "UPSTREAM": f"https://127.0.0.1:{upstream.port}",
            "upstream_ca_file": ca_file(folder),
        }
        async with running_proxy(upstream=upstream, **(usual | overrides)) as proxy:
            yield upstream, proxy


@contextlib.asynccontextmanager
async def behind_tls(folder: Path, **overrides: Any) -> AsyncIterator[Proxy]:
    """A proxy that clients speak TLS with."""
    files = {f"tls_{name}": file for name, file in write(folder, "proxy", issue("proxy.test")).items()}
    async with running_proxy(**(files | {"watch_seconds": "0"} | overrides)) as proxy:
        yield proxy


def serial(connection: RawClient) -> int:
    """The serial number of the certificate that was shown."""
    return int(connection._writer.get_extra_info("peercert")["serialNumber"], 16)


def queued(proxy: Proxy) -> int:
    """Bytes that the proxy holds for either side."""
    context: Any = proxy.application.relay.context
    sides = [side._client for side in context.connections] + [*context.pool._all]
    return sum(side._transport.get_write_buffer_size() for side in sides if side._transport is not None)


def whys(records: Iterator[Any] | list[Any]) -> str:
    """Everything that log lines give as a reason."""
    return "\n".join(str(getattr(record, "why", "")) for record in records)
