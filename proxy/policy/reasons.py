"""The closed set of reasons, each with its decision and its one sentence.

One reason is at once the metric label, the audit field, the error code a caller sees and a heading of
docs/reasons.md. A reason is never reused for something else and never removed without a changelog line.
"""

from enum import StrEnum
from typing import NamedTuple


class Decision(StrEnum):
    """What became of a call."""

    ALLOWED = "allowed"
    BLOCKED = "blocked"
    REJECTED = "rejected"
    FAILED = "failed"


class Reason(StrEnum):
    """Why. The table below says the rest."""

    NOT_BOUND = "not-bound"
    NOT_COVERED = "not-covered"
    OUTSIDE_WINDOW = "outside-window"
    OUTSIDE_JURISDICTION = "outside-jurisdiction"
    OUTSIDE_SCOPE = "outside-scope"
    EXEMPT = "exempt"
    SHADOW_BLOCKED = "shadow-blocked"
    UNKNOWN_OPERATION_ALLOWED = "unknown-operation-allowed"

    MORATORIUM = "moratorium"

    TOKEN_MISSING = "token-missing"  # noqa: S105
    TOKEN_MALFORMED = "token-malformed"  # noqa: S105
    TOKEN_TOO_LARGE = "token-too-large"  # noqa: S105
    TOKEN_AMBIGUOUS = "token-ambiguous"  # noqa: S105
    TOKEN_NESTED = "token-nested"  # noqa: S105
    TOKEN_CRITICAL = "token-critical"  # noqa: S105
    TOKEN_KEY_INCLUDED = "token-key-included"  # noqa: S105
    TOKEN_TYPE = "token-type"  # noqa: S105
    TOKEN_ALGORITHM = "token-algorithm"  # noqa: S105
    TOKEN_ISSUER = "token-issuer"  # noqa: S105
    TOKEN_KEY_UNKNOWN = "token-key-unknown"  # noqa: S105
    TOKEN_SIGNATURE = "token-signature"  # noqa: S105
    TOKEN_AUDIENCE = "token-audience"  # noqa: S105
    TOKEN_EXPIRED = "token-expired"  # noqa: S105
    TOKEN_NOT_YET_VALID = "token-not-yet-valid"  # noqa: S105
    TOKEN_CLAIMS = "token-claims"  # noqa: S105
    TOKEN_REVOKED = "token-revoked"  # noqa: S105
    CREDENTIALS_AMBIGUOUS = "credentials-ambiguous"
    ORG_TYPE_UNKNOWN = "org-type-unknown"
    ORG_TYPE_NOT_ENTITLED = "org-type-not-entitled"
    ORG_SUBTYPE_UNKNOWN = "org-subtype-unknown"
    PURPOSE_UNKNOWN = "purpose-unknown"
    CIRCUMSTANCE_UNKNOWN = "circumstance-unknown"
    ORG_SUSPENDED = "org-suspended"
    ORG_NOT_REGISTERED = "org-not-registered"
    ORG_REGISTRATION_EXPIRED = "org-registration-expired"
    ORG_DISAGREES = "org-disagrees"
    DELEGATION_MISSING = "delegation-missing"
    OPERATION_UNKNOWN = "operation-unknown"
    MEDIA_BY_REFERENCE = "media-by-reference"

    REQUEST_MALFORMED = "request-malformed"
    REQUEST_AMBIGUOUS = "request-ambiguous"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    TARGET_TOO_LONG = "target-too-long"
    TARGET_NOT_CANONICAL = "target-not-canonical"
    HEAD_TOO_LARGE = "head-too-large"
    BODY_TOO_LARGE = "body-too-large"
    EXPECTATION_UNKNOWN = "expectation-unknown"
    UPGRADE_REFUSED = "upgrade-refused"
    VERSION_UNSUPPORTED = "version-unsupported"
    REQUEST_TIMEOUT = "request-timeout"

    KEYS_UNAVAILABLE = "keys-unavailable"
    POLICY_UNAVAILABLE = "policy-unavailable"
    AUDIT_UNWRITABLE = "audit-unwritable"
    LIMIT_UNCOUNTABLE = "limit-uncountable"
    OVERLOADED = "overloaded"
    INTERNAL_ERROR = "internal-error"
    CREDENTIAL_UNAVAILABLE = "credential-unavailable"
    UPSTREAM_UNREACHABLE = "upstream-unreachable"
    UPSTREAM_BROKEN = "upstream-broken"
    UPSTREAM_TIMEOUT = "upstream-timeout"


class Meaning(NamedTuple):
    """What a reason implies, and how people are told. Statuses are in `proxy.rescue`."""

    decision: Decision
    says: str


_A, _B, _R, _F = Decision.ALLOWED, Decision.BLOCKED, Decision.REJECTED, Decision.FAILED

MEANINGS: dict[Reason, Meaning] = {
    Reason.NOT_BOUND: Meaning(_A, "No moratorium binds this organisation type."),
    Reason.NOT_COVERED: Meaning(_A, "A moratorium binds the caller, but does not cover this operation."),
    Reason.OUTSIDE_WINDOW: Meaning(
        _A, "A moratorium binds the caller and covers the operation, but is not in force."
    ),
    Reason.OUTSIDE_JURISDICTION: Meaning(
        _A, "A moratorium binds the caller and covers the operation, but is not about this place."
    ),
    Reason.OUTSIDE_SCOPE: Meaning(
        _A, "A moratorium binds the caller and covers the operation, but not this purpose or circumstance."
    ),
    Reason.EXEMPT: Meaning(_A, "A moratorium would block the call, and one of its exemptions applies."),
    Reason.SHADOW_BLOCKED: Meaning(_A, "A moratorium in shadow mode would have blocked the call."),
    Reason.UNKNOWN_OPERATION_ALLOWED: Meaning(
        _A,
        "The operation is not in the backend's table; the operator lets such calls of unbound callers go.",
    ),
    Reason.MORATORIUM: Meaning(_B, "A moratorium in force binds the caller and covers the operation."),
    Reason.TOKEN_MISSING: Meaning(_R, "The request carries no token where this backend's clients put one."),
    Reason.TOKEN_MALFORMED: Meaning(_R, "The token is not a well-formed signed JWT in compact form."),
    Reason.TOKEN_TOO_LARGE: Meaning(_R, "The token is larger than any that is read."),
    Reason.TOKEN_AMBIGUOUS: Meaning(_R, "The token says the same thing twice, so two readers could differ."),
    Reason.TOKEN_NESTED: Meaning(_R, "The token is encrypted, compressed, or holds another token."),
    Reason.TOKEN_CRITICAL: Meaning(_R, "The token demands an extension that is not understood here."),
    Reason.TOKEN_KEY_INCLUDED: Meaning(_R, "The token brings its own key, or says where one is."),
    Reason.TOKEN_TYPE: Meaning(_R, "The token is of a type that is not accepted from its issuer."),
    Reason.TOKEN_ALGORITHM: Meaning(_R, "The token's algorithm is not one of those accepted."),
    Reason.TOKEN_ISSUER: Meaning(_R, "The token's issuer is not one of those configured."),
    Reason.TOKEN_KEY_UNKNOWN: Meaning(_R, "The token names a key that its issuer does not publish."),
    Reason.TOKEN_SIGNATURE: Meaning(_R, "The token's signature does not verify."),
    Reason.TOKEN_AUDIENCE: Meaning(_R, "The token is meant for another audience."),
    Reason.TOKEN_EXPIRED: Meaning(_R, "The token has expired."),
    Reason.TOKEN_NOT_YET_VALID: Meaning(_R, "The token is not valid yet, or was issued in the future."),
    Reason.TOKEN_CLAIMS: Meaning(_R, "A required claim is missing or has the wrong type."),
    Reason.TOKEN_REVOKED: Meaning(_R, "The token has been revoked."),
    Reason.CREDENTIALS_AMBIGUOUS: Meaning(_R, "The request carries more than one token."),
    Reason.ORG_TYPE_UNKNOWN: Meaning(_R, "The token's organisation type is not one of those configured."),
    Reason.ORG_TYPE_NOT_ENTITLED: Meaning(
        _R, "The token's organisation type is not one that its issuer may assert."
    ),
    Reason.ORG_SUBTYPE_UNKNOWN: Meaning(
        _R, "The token's organisation subtype is not one of those configured."
    ),
    Reason.PURPOSE_UNKNOWN: Meaning(_R, "The token's purpose is not one of those configured."),
    Reason.CIRCUMSTANCE_UNKNOWN: Meaning(
        _R, "The token states a circumstance with a value that is not one of those configured."
    ),
    Reason.ORG_SUSPENDED: Meaning(
        _R, "The caller's organisation, or another that has to do with the call, is suspended."
    ),
    Reason.ORG_NOT_REGISTERED: Meaning(_R, "An organisation that the token names is not in the registry."),
    Reason.ORG_REGISTRATION_EXPIRED: Meaning(_R, "The registration of an organisation has expired."),
    Reason.ORG_DISAGREES: Meaning(_R, "The token says of an organisation what the registry does not."),
    Reason.DELEGATION_MISSING: Meaning(
        _R, "The caller is a contractor, and its token does not say whom it works for."
    ),
    Reason.OPERATION_UNKNOWN: Meaning(_R, "The operation is not in the backend's table."),
    Reason.MEDIA_BY_REFERENCE: Meaning(_R, "The call names its image or video instead of sending it."),
    Reason.REQUEST_MALFORMED: Meaning(_R, "The request is not well-formed HTTP/1.1."),
    Reason.REQUEST_AMBIGUOUS: Meaning(_R, "The request can be understood in more than one way."),
    Reason.METHOD_NOT_ALLOWED: Meaning(_R, "The method is not one that is forwarded."),
    Reason.TARGET_TOO_LONG: Meaning(_R, "The request target is too long."),
    Reason.TARGET_NOT_CANONICAL: Meaning(_R, "The request target is not in canonical form."),
    Reason.HEAD_TOO_LARGE: Meaning(_R, "The request head is too large."),
    Reason.BODY_TOO_LARGE: Meaning(_R, "The request body is larger than allowed."),
    Reason.EXPECTATION_UNKNOWN: Meaning(_R, "The only expectation that is understood is 100-continue."),
    Reason.UPGRADE_REFUSED: Meaning(_R, "Protocol upgrades and tunnels are not forwarded."),
    Reason.VERSION_UNSUPPORTED: Meaning(_R, "Only HTTP/1.0 and HTTP/1.1 are spoken here."),
    Reason.REQUEST_TIMEOUT: Meaning(_R, "The request did not arrive in time."),
    Reason.KEYS_UNAVAILABLE: Meaning(_F, "The issuer's keys cannot be had, so the token cannot be judged."),
    Reason.POLICY_UNAVAILABLE: Meaning(_F, "There is no policy yet by which the call could be judged."),
    Reason.AUDIT_UNWRITABLE: Meaning(_F, "The decision cannot be recorded, so the call does not go on."),
    Reason.LIMIT_UNCOUNTABLE: Meaning(_F, "The uses of a limited exemption cannot be counted."),
    Reason.OVERLOADED: Meaning(_F, "Too many calls are in flight, or too many bodies are held."),
    Reason.INTERNAL_ERROR: Meaning(_F, "The proxy met a fault of its own and decided nothing."),
    Reason.CREDENTIAL_UNAVAILABLE: Meaning(
        _F, "The credential for the face API cannot be had, so the call does not go on without it."
    ),
    Reason.UPSTREAM_UNREACHABLE: Meaning(_F, "The face API cannot be reached."),
    Reason.UPSTREAM_BROKEN: Meaning(_F, "The face API's answer was missing, cut short or not HTTP."),
    Reason.UPSTREAM_TIMEOUT: Meaning(_F, "The face API did not answer in time."),
}
