from dataclasses import replace

import pytest

from core.domain.errors import InvalidRequestError, UnsupportedFormatError
from core.domain.face import FaceAction, FaceWish
from core.imaging.original import heic
from core.pipeline.plan import plan
from core.pipeline.request import Photo, RestoreRequest
from tests.fakes import tiny_spec

PHOTO = Photo("a.png", b"never decoded here")
BOX = (1.0, 2.0, 30.0, 40.0)

WRONG = {
    "a face named twice": ((FaceWish(index=1), FaceWish(index=1)), {}, "The face 1 is named twice"),
    "a number below 0": ((FaceWish(index=-1),), {}, "numbered from 0"),
    "a checkpoint that is not there": ((FaceWish(index=0, checkpoint_id="x"),), {}, "x, which is not there"),
    "a checkpoint without a recipe": (
        (FaceWish(index=0, checkpoint_id="x"),),
        {"checkpoints": {"x": b"-"}},
        "has no recipe for it",
    ),
    "a number where nothing is searched": ((FaceWish(index=0),), {"category": "cat"}, "Name them by boxes"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wishes_that_cannot_be_are_refused_before_anything_is_decoded(recipe, name):
    wishes, changes, words = WRONG[name]
    with pytest.raises(InvalidRequestError, match=words):
        plan(RestoreRequest((replace(PHOTO, faces=wishes),), **changes), recipe("direct"), tiny_spec())


def test_an_aligned_photo_has_one_face(recipe):
    aligned = replace(PHOTO, aligned=True, faces=(FaceWish(box=BOX),))
    with pytest.raises(InvalidRequestError, match="one face, number 0"):
        plan(RestoreRequest((aligned,)), recipe("direct"), tiny_spec())


def test_the_personal_mode_needs_no_checkpoint_of_its_own_where_every_face_names_one(recipe):
    named = FaceWish(index=0, checkpoint_id="alice")
    request = RestoreRequest((replace(PHOTO, faces=(named,)),), checkpoints={"alice": b"-"})
    assert plan(request, recipe("personal"), tiny_spec())
    others_too = replace(PHOTO, faces=(named, FaceWish(index=1, action=FaceAction.KEEP)))
    with pytest.raises(InvalidRequestError, match="needs a checkpoint or an album"):
        plan(replace(request, photos=(others_too,)), recipe("personal"), tiny_spec())


def test_heic_that_cannot_be_written_is_refused_at_once(recipe, monkeypatch):
    monkeypatch.setattr(heic, "available", lambda: False)
    with pytest.raises(UnsupportedFormatError, match="HEIC"):
        plan(RestoreRequest((PHOTO,), file_format="heic"), recipe("direct"), tiny_spec())


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"candidates": 2},
        {"native": True},
        {"colour": "free"},
        {"file_format": "png"},
        {"keep_metadata": "none"},
        {"category": "cat"},
        {"photos": (replace(PHOTO, faces=(FaceWish(box=BOX),)),)},
    ],
)
def test_the_first_plan_alone_tells_requests_apart(recipe, changes):
    request = RestoreRequest((PHOTO,))
    one, two = (plan(some, recipe("direct"), tiny_spec()) for some in (request, replace(request, **changes)))
    assert [call.hashes for call in one] != [call.hashes for call in two]
