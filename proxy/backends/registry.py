"""The list of backends by their public names."""

from collections.abc import Callable

from proxy.backends.aws_rekognition import AwsRekognition
from proxy.backends.base import Backend
from proxy.backends.deepface import DeepFace
from proxy.backends.generic import Generic
from proxy.policy.model import Route

_MAKERS: dict[str, Callable[[tuple[Route, ...]], Backend]] = {
    "aws-rekognition": lambda _routes: AwsRekognition(),
    "deepface": lambda _routes: DeepFace(),
    "generic": Generic,
}

NAMES = tuple(_MAKERS)


def make_backend(name: str, routes: tuple[Route, ...] = ()) -> Backend:
    """The backend called `name`; `routes` is the table of the one that has none of its own."""
    return _MAKERS[name](routes)
