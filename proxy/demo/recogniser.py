"""Face recognition with dlib: finding faces in an image and measuring how alike two are.

Knows nothing of HTTP or of Rekognition. dlib keeps Python's interpreter lock while it works, so the server
runs `look` in worker processes; each loads the models once.
"""

import importlib.util
import io
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import dlib
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# dlib's own threshold: descriptors of one person lie closer together than this.
SAME_PERSON = 0.6

# Larger images cost seconds and gain nothing: a face of 40 pixels is enough.
LONGEST_SIDE = 800
_SMALL = 480


class NotAnImageError(Exception):
    """The bytes are not an image that can be read."""


class WeightsMissingError(Exception):
    """The package face_recognition_models is not installed."""


@dataclass(frozen=True)
class Box:
    """Where a face is, as fractions of the image."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Face:
    """One face that was found: its place, how sure the detector is (0 to 100), and its descriptor."""

    box: Box
    confidence: float
    descriptor: tuple[float, ...]
    landmarks: tuple[tuple[float, float], ...]

    def distance(self, other: "Face") -> float:
        """How far apart the two faces are; at most SAME_PERSON for one person."""
        return math.dist(self.descriptor, other.descriptor)

    def similarity(self, other: "Face") -> float:
        """The distance as a percentage like Rekognition's: 80, its default threshold, at SAME_PERSON."""
        return _logistic(math.log(4) + 8.5 * (SAME_PERSON - self.distance(other)))


def weights() -> Path:
    """The folder of the models. Importing their package would need pkg_resources, so it is only located."""
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        raise WeightsMissingError("the package face_recognition_models is not installed")
    return Path(spec.submodule_search_locations[0]) / "models"


class Recogniser:
    """dlib's HOG detector, its five-point predictor and its recognition network, loaded."""

    def __init__(self, folder: Path) -> None:
        self._detect = dlib.get_frontal_face_detector()
        self._predict = dlib.shape_predictor(str(folder / "shape_predictor_5_face_landmarks.dat"))
        self._network = dlib.face_recognition_model_v1(
            str(folder / "dlib_face_recognition_resnet_model_v1.dat")
        )

    def faces(self, image: bytes) -> list[Face]:
        """The faces in an encoded image, largest first."""
        pixels = _pixels(image)
        upsample = 1 if max(pixels.shape[:2]) < _SMALL else 0
        found, scores, _ = self._detect.run(pixels, upsample, 0.0)
        faces = [self._describe(pixels, *each) for each in zip(found, scores, strict=True)]
        return sorted(faces, key=lambda face: face.box.width * face.box.height, reverse=True)

    def _describe(self, pixels: Any, place: Any, score: float) -> Face:
        height, width = pixels.shape[:2]
        shape = self._predict(pixels, place)
        return Face(
            box=Box(
                left=place.left() / width,
                top=place.top() / height,
                width=place.width() / width,
                height=place.height() / height,
            ),
            confidence=_logistic(2 + 2 * score),
            descriptor=tuple(map(float, self._network.compute_face_descriptor(pixels, shape))),
            landmarks=tuple((point.x / width, point.y / height) for point in shape.parts()),
        )


@cache
def recogniser() -> Recogniser:
    """This process's recogniser; the models are loaded at the first call."""
    return Recogniser(weights())


def look(image: bytes) -> list[Face]:
    """The faces in an encoded image. A plain function, so that it can be sent to a worker process."""
    return recogniser().faces(image)


def warm_up() -> None:
    """Load the models now instead of at the first image."""
    recogniser()


def _pixels(image: bytes) -> Any:
    try:
        with Image.open(io.BytesIO(image), formats=("JPEG", "PNG")) as opened:
            upright = ImageOps.exif_transpose(opened).convert("RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise NotAnImageError("not a JPEG or PNG image") from error
    upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return np.asarray(upright)


def _logistic(x: float) -> float:
    return 100 / (1 + math.exp(-x))
