"""compreface-sdk. The token is the API key. It looks at no status: an error is an answer like any other."""

from typing import Any

from compreface import CompreFace
from requests.exceptions import RequestException

from tests.clients.scripts.answering import Asked, Sdk, serve


class Said(Exception):
    """The dict that the SDK returned is no result."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(str(answer.get("message")))
        self.answer = answer


Said.__name__ = "(returned, not raised)"


def make(asked: Asked) -> Any:
    return CompreFace("http://127.0.0.1", str(asked["port"])).init_face_verification(asked["token"])


def call(client: Any, asked: Asked) -> str:
    answer = client.verify(asked["source"], asked["target"])
    if "result" not in answer:
        raise Said(answer)
    return f"{answer['result'][0]['face_matches'][0]['similarity'] * 100:.1f}"


def says(error: Said | RequestException) -> tuple[str, int]:
    if not isinstance(error, Said):
        return "", 0
    code = error.answer.get("code")
    return str(code), code if isinstance(code, int) else 0


if __name__ == "__main__":
    serve(Sdk("compreface-sdk", make, call, (Said, RequestException), says))
