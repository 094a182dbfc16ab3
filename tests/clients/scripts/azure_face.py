"""azure-ai-vision-face. The token is the key of an AzureKeyCredential."""

from pathlib import Path
from typing import Any

from azure.ai.vision.face import FaceClient
from azure.ai.vision.face.models import FaceDetectionModel, FaceRecognitionModel
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import AzureError, HttpResponseError

from tests.clients.scripts.answering import Asked, Sdk, serve

FACES = "c5c24a82-6845-4031-9d5d-978df9175426", "815df99c-598f-4926-930a-a734b3fd651c"


def make(asked: Asked) -> Any:
    return FaceClient(asked["endpoint"], AzureKeyCredential(asked["token"]))


def call(client: Any, asked: Asked) -> str:
    if asked["large"]:
        found = client.detect(
            Path(asked["source"]).read_bytes(),
            detection_model=FaceDetectionModel.DETECTION03,
            recognition_model=FaceRecognitionModel.RECOGNITION04,
            return_face_id=False,
        )
        return f"{len(found)} faces"
    answer = client.verify_face_to_face(face_id1=FACES[0], face_id2=FACES[1])
    return f"{answer.confidence * 100:.1f}"


def says(error: AzureError) -> tuple[str, int]:
    if not isinstance(error, HttpResponseError):
        return "", 0
    told = error.error
    code = "" if told is None else str(told.code)
    inner = getattr(told, "innererror", None) or {}
    return "/".join(filter(None, (code, inner.get("code", "")))), error.status_code or 0


if __name__ == "__main__":
    serve(Sdk("azure-ai-vision-face", make, call, (AzureError,), says))
