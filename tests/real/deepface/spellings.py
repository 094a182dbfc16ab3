"""Two ways round, spelt in many ways: reading emotions, and a picture that lies on the server's own disk.

Each spelling goes to the server directly first, so that it is known what the server makes of it; then through
the proxy, as somebody for whom just this is closed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from proxy.demo.callers import BANK, ONE
from tests.real.deepface.bodies import DLIB, PHOTOS, Body, as_fields, as_form, as_json, inline
from tests.real.deepface.cast import EMPLOYER
from tests.real.deepface.stage import ANY, INLINE, Answer, Stage

# What the server lacks when it goes about reading an emotion: the name of the weights.
_EMOTION = b"facial_expression_model_weights"
# Nothing has to be found in the image, so that the server is at the weights at once.
_SKIP = {**DLIB, "detector_backend": "skip"}
_QUICK = {"img": inline(ONE), **_SKIP}
_ON_DISK = str(PHOTOS / ONE)


@dataclass(frozen=True)
class Tried:
    """One spelling: whether it works on the server itself, and what became of it at the proxy."""

    way: str
    name: str
    works: bool
    answer: Answer
    through: bool


def _members(**members: object) -> Body:
    return as_json(**_QUICK, **members)


def _twice(first: str, second: str) -> Body:
    body = json.dumps(_QUICK)
    return Body(f'{body[:-1]}, "actions": {first}, "actions": {second}}}'.encode(), "application/json")


def _plain(content: bytes) -> Body:
    return Body(content, "application/json")


_EMOTIONS = json.dumps({**_QUICK, "actions": ["emotion"]})
_ACTIONS: Mapping[str, Body] = {
    "a list": _members(actions=["emotion"]),
    "a word": _members(actions="emotion"),
    "words with commas": _members(actions="emotion,age"),
    "words in brackets": _members(actions="['emotion']"),
    "white space around": _members(actions=" emotion "),
    "white space inside": _members(actions="em otion"),
    "age after it": _members(actions=["emotion", "age"]),
    "a lonely quote": _members(actions='"emotion'),
    "an object": _members(actions={"emotion": "age"}),
    "twice, first": _twice('["emotion"]', '["age"]'),
    "twice, last": _twice('["age"]', '["emotion"]'),
    "escaped value": _plain(_EMOTIONS.replace('"emotion"', '"\\u0065motion"').encode()),
    "escaped member": _plain(_EMOTIONS.replace('"actions"', '"\\u0061ctions"').encode()),
    "another JSON type": as_json("application/vnd.face+json", **_QUICK, actions=["emotion"]),
    "type in capitals": as_json("APPLICATION/JSON", **_QUICK, actions=["emotion"]),
    "UTF-16": _plain(_EMOTIONS.encode("utf-16")),
    "byte order mark": _plain(b"\xef\xbb\xbf" + _EMOTIONS.encode()),
    "a form": as_form(**_QUICK, actions="emotion"),
    "fields of multipart": as_fields(**_QUICK, actions="emotion"),
}
_REFERENCES: Mapping[str, Body] = {
    "a path": as_json(img=_ON_DISK, **_SKIP),
    "a path, with dots": as_json(img=f"{PHOTOS}/../photos/{ONE}", **_SKIP),
    "a list of paths": as_json(img=[_ON_DISK], **_SKIP),
    "inline and a path": as_json(img=[inline(ONE), _ON_DISK], **_SKIP),
    "escaped member": _plain(json.dumps({"img": _ON_DISK, **_SKIP}).replace('"img"', '"\\u0069mg"').encode()),
    "another JSON type": as_json("application/vnd.face+json", img=_ON_DISK, **_SKIP),
    "UTF-16": _plain(json.dumps({"img": _ON_DISK, **_SKIP}).encode("utf-16")),
    "a form": as_form(img=_ON_DISK, **_SKIP),
    "fields of multipart": as_fields(img=_ON_DISK, **_SKIP),
}


def _reads_emotion(answer: Answer) -> bool:
    return _EMOTION in answer.body


def _reads_disk(answer: Answer) -> bool:
    return answer.status == 200


async def try_all(stage: Stage) -> list[Tried]:
    """As an employer who may have ages read, not emotions; as a bank that has to send its pictures along."""
    ways = (
        ("emotions", "/analyze", _ACTIONS, _reads_emotion, EMPLOYER, ANY),
        ("its own disk", "/represent", _REFERENCES, _reads_disk, BANK, INLINE),
    )
    tried = []
    for way, path, spellings, reads, claims, media in ways:
        for name, body in spellings.items():
            direct = await stage.direct(path, body)
            answer = await stage.through(stage.mint.token(**claims), path, body, media=media)
            tried.append(Tried(way, name, reads(direct), answer, reads(answer)))
    return tried
