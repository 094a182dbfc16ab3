"""dlib on the demo's photographs: who is who, and what is no image at all."""

import io

import pytest
from PIL import Image

from proxy.demo.callers import ONE, SAME_PERSON, SOMEONE_ELSE
from proxy.demo.calls import PHOTOS
from proxy.demo.recogniser import SAME_PERSON as THRESHOLD
from proxy.demo.recogniser import Face, NotAnImageError, look


def only_face(name: str) -> Face:
    faces = look((PHOTOS / name).read_bytes())

    assert len(faces) == 1
    return faces[0]


def test_two_views_of_one_person_are_a_match() -> None:
    one, other = only_face(ONE), only_face(SAME_PERSON)

    assert one.distance(other) < THRESHOLD - 0.1
    assert one.similarity(other) > 95


@pytest.mark.parametrize("view", [ONE, SAME_PERSON])
def test_two_persons_are_no_match(view: str) -> None:
    one, other = only_face(view), only_face(SOMEONE_ELSE)

    assert one.distance(other) > THRESHOLD
    assert one.similarity(other) < 80


def test_a_face_lies_inside_its_image() -> None:
    box = only_face(ONE).box

    assert 0 < box.left < box.left + box.width < 1
    assert 0 < box.top < box.top + box.height < 1


def test_an_empty_picture_has_no_faces() -> None:
    grey = io.BytesIO()
    Image.new("RGB", (200, 200), "grey").save(grey, "PNG")

    assert look(grey.getvalue()) == []


@pytest.mark.parametrize("junk", [b"", b"GIF89a", b"\xff\xd8\xff\xe0 not really"])
def test_junk_is_not_an_image(junk: bytes) -> None:
    with pytest.raises(NotAnImageError):
        look(junk)


def test_half_a_photograph_is_not_an_image() -> None:
    photo = (PHOTOS / ONE).read_bytes()

    with pytest.raises(NotAnImageError):
        look(photo[: len(photo) // 2])
