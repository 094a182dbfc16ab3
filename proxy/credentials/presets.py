"""What each face API takes as its own credential, as its makers document it."""

from typing import NamedTuple


class Taken(NamedTuple):
    """`auth`: the kind to use when only a key is given; "" where there is no usual one. `header`: where a
    bare key stands; "" where it has to be said. `service`: the name that an AWS signature is made for.
    """

    auth: str = ""
    header: str = ""
    service: str = ""


TAKEN = {
    "aws-rekognition": Taken("sigv4", service="rekognition"),
    "azure-face": Taken("header", "Ocp-Apim-Subscription-Key"),
    "compreface": Taken("header", "x-api-key"),
    "deepface": Taken("bearer"),
    "google-vision": Taken("bearer", "X-Goog-Api-Key"),
}
OTHER = Taken()


def taken_by(backend: str) -> Taken:
    return TAKEN.get(backend, OTHER)
