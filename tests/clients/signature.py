"""Checks an AWS Signature Version 4 from its definition, without anything of AWS's own code."""

import hashlib
import hmac
import re
from collections.abc import Mapping

_FORM = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/"
    r"(?P<scope>(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request), "
    r"SignedHeaders=(?P<signed>[a-z0-9;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)


def is_signed(method: str, path: str, headers: Mapping[str, str], body: bytes, key: str, secret: str) -> bool:
    """Whether the request was signed with this key for what it is. Queries are not looked at."""
    found = _FORM.fullmatch(headers.get("Authorization", ""))
    if found is None or found["key"] != key:
        return False
    names = found["signed"].split(";")
    if not {"host", "x-amz-date", "x-amz-target"} <= set(names) or any(name not in headers for name in names):
        return False
    fields = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names)
    canonical = "\n".join([method, path, "", fields, found["signed"], hashlib.sha256(body).hexdigest()])
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join(["AWS4-HMAC-SHA256", headers["X-Amz-Date"], found["scope"], digest])
    derived = b"AWS4" + secret.encode()
    for part in (found["day"], found["region"], found["service"], "aws4_request"):
        derived = _keyed(derived, part)
    return hmac.compare_digest(_keyed(derived, to_sign).hex(), found["signature"])


def _keyed(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
