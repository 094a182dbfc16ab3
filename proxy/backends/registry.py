"""The list of backends by their public names."""

from collections.abc import Mapping

from proxy.backends.aws_rekognition import AwsRekognition
from proxy.backends.azure_face import AzureFace
from proxy.backends.base import Backend
from proxy.backends.compreface import CompreFace
from proxy.backends.deepface import DeepFace
from proxy.backends.generic import Generic
from proxy.backends.google_vision import GoogleVision
from proxy.backends.insightface_rest import InsightFaceRest
from proxy.policy.model import Route

_Preset = type[AwsRekognition | AzureFace | CompreFace | DeepFace | GoogleVision | InsightFaceRest]
_PRESETS: Mapping[str, _Preset] = {
    "aws-rekognition": AwsRekognition,
    "azure-face": AzureFace,
    "compreface": CompreFace,
    "deepface": DeepFace,
    "insightface-rest": InsightFaceRest,
    "google-vision": GoogleVision,
}

NAMES = (*_PRESETS, Generic.name)


def make_backend(name: str, routes: tuple[Route, ...] = (), *, inline_only: bool = False) -> Backend:
    """The backend called `name`; `routes` is the table of the one that has none of its own.

    `inline_only`: calls that name their media instead of sending them are refused. Only presets can tell.
    """
    return Generic(routes) if name == Generic.name else _PRESETS[name](inline_only=inline_only)
