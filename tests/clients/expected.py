"""What each client has to show its user, and what must hold for all of them whatever they show."""

from collections.abc import Iterator

from tests.clients.cases import DENIALS, Case, Outcome
from tests.clients.driven import TRYING
from tests.clients.listed import Client

Shown = tuple[str, str]
"""Class and code; two empty ones for an answer."""
ANSWER: Shown = ("", "")
DENYING_STATUSES = frozenset({401, 403, 451})
DENYING_WORDS = (
    "denied",
    "forbidden",
    "unauthor",
    "unauthenticated",
    "expired",
    "unrecognized",
    "permission",
    "refresh",
)

_BOTO3: dict[Case, Shown] = {
    Case.BLOCKED: ("AccessDeniedException", "AccessDeniedException"),
    Case.BAD_TOKEN: ("ClientError", "UnrecognizedClientException"),
    Case.EXPIRED: ("ClientError", "ExpiredTokenException"),
    Case.DOWN: ("ClientError", "ServiceUnavailableException"),
    Case.TOO_LARGE: ("ImageTooLargeException", "ImageTooLargeException"),
    Case.THROTTLED: ("ThrottlingException", "ThrottlingException"),
    Case.UNDECIDED: ("ClientError", "ServiceUnavailableException"),
}
# Without a class of its own the JavaScript SDK has one for the service.
_JS = {
    case: ("RekognitionServiceException" if kind == "ClientError" else kind, code)
    for case, (kind, code) in _BOTO3.items()
}
_CLI = {case: ("exit status 255", code) for case, (_, code) in _BOTO3.items()}
# A 401 makes google-auth renew its credentials and try again. A bare token cannot be renewed, which is then
# all that is raised; a key counts as renewed as it is.
_GOOGLE: dict[Case, Shown] = {
    Case.BLOCKED: ("Forbidden", "MORATORIUM"),
    Case.BAD_TOKEN: ("RefreshError", ""),
    Case.EXPIRED: ("RefreshError", ""),
    Case.DOWN: ("BadGateway", "UPSTREAM_UNREACHABLE"),
    Case.TOO_LARGE: ("GoogleAPICallError", "BODY_TOO_LARGE"),
    Case.THROTTLED: ("TooManyRequests", ""),
    Case.UNDECIDED: ("ServiceUnavailable", "KEYS_UNAVAILABLE"),
}
_AGAIN = {("google-key", Case.BAD_TOKEN): 3, ("google-key", Case.EXPIRED): 3}
"""Attempts where a client repeats what it is refused for its token."""
_FETCHED = {Case.EXPIRED: ANSWER}
EXPECTED: dict[str, dict[Case, Shown]] = {
    "boto3": _BOTO3,
    "boto3-legacy": _BOTO3,
    "boto3-standard": _BOTO3,
    "boto3-adaptive": _BOTO3,
    "boto3-fetching": _BOTO3 | _FETCHED,
    "aws-cli": _CLI,
    "aws-js": _JS,
    "aws-js-fetching": _JS | _FETCHED,
    "azure": {
        Case.BLOCKED: ("HttpResponseError", "InvalidRequest/UnsupportedFeature"),
        Case.BAD_TOKEN: ("ClientAuthenticationError", "401"),
        Case.EXPIRED: ("ClientAuthenticationError", "401"),
        Case.DOWN: ("HttpResponseError", "BadGateway"),
        Case.TOO_LARGE: ("HttpResponseError", "InvalidRequest/InvalidImageSize"),
        Case.THROTTLED: ("HttpResponseError", "429"),
        Case.UNDECIDED: ("HttpResponseError", "ServiceUnavailable"),
    },
    "compreface": {
        Case.BLOCKED: ("(returned, not raised)", "451"),
        Case.BAD_TOKEN: ("(returned, not raised)", "401"),
        Case.EXPIRED: ("(returned, not raised)", "401"),
        Case.DOWN: ("(returned, not raised)", "502"),
        Case.TOO_LARGE: ("(returned, not raised)", "413"),
        Case.THROTTLED: ("(returned, not raised)", "429"),
        Case.UNDECIDED: ("(returned, not raised)", "503"),
    },
    "google": _GOOGLE,
    "google-batch": _GOOGLE | {Case.UNDECIDED: (TRYING, "")},
    "google-key": _GOOGLE
    | {
        Case.BAD_TOKEN: ("Unauthorized", "TOKEN_SIGNATURE"),
        Case.EXPIRED: ("Unauthorized", "TOKEN_EXPIRED"),
    },
    "curl": {
        Case.BLOCKED: ("(status)", "moratorium"),
        Case.BAD_TOKEN: ("(status)", "token-signature"),
        Case.EXPIRED: ("(status)", "token-expired"),
        Case.DOWN: ("(status)", "upstream-unreachable"),
        Case.TOO_LARGE: ("(status)", "body-too-large"),
        Case.THROTTLED: ("(status)", ""),
        Case.UNDECIDED: ("(status)", "keys-unavailable"),
    },
}


def faults(client: Client, outcome: Outcome) -> Iterator[str]:
    """Everything about this outcome that must not be, each as one sentence."""
    case, saw, attempts, arrived = outcome.case, outcome.saw, outcome.attempts, outcome.arrived
    shown = (saw.kind, saw.code)
    wanted = EXPECTED[client.name].get(case, ANSWER)
    if shown != wanted:
        yield f"shows {shown}, not {wanted}: {saw.says[:200]}"
    once = wanted == ANSWER or case in DENIALS or case is Case.TOO_LARGE
    if once and attempts != _AGAIN.get((client.name, case), 1):
        yield f"made {attempts} attempts"
    if not attempts:
        yield "the proxy has decided nothing"
    due = attempts if wanted == ANSWER or case is Case.THROTTLED else 0
    if arrived != due:
        yield f"{arrived} calls arrived at the face API, not {due}"
    denied = _is_denial(outcome)
    if wanted != ANSWER and denied is not None and denied != (case in DENIALS):
        yield "takes a failure for a denial" if denied else "takes a denial for a failure"


def _is_denial(outcome: Outcome) -> bool | None:
    """Whether a program would take it for one; None where the client does not let it know."""
    saw = outcome.saw
    if saw.status:
        return saw.status in DENYING_STATUSES
    words = f"{saw.kind} {saw.code}".lower()
    return True if any(word in words for word in DENYING_WORDS) else None
