"""K of each face: by the recipe that it is restored by."""

from dataclasses import replace

import numpy as np
import pytest

from core.domain.face import FaceVerdict, FaceWish
from core.pipeline import run as running
from core.pipeline.plan import plan
from core.pipeline.ports import Ports
from core.pipeline.request import RestoreRequest
from core.pipeline.run import run
from core.pipeline.stages import align
from core.recipes.schema import with_noise_steps

pytestmark = pytest.mark.usefixtures("once")


def go(request, recipe, prior, **options):
    return run(plan(request, recipe, prior.spec), request, recipe, prior, Ports(), **options)


def by_photo(recipe):
    return with_noise_steps(recipe, None, by_photo=True)


def test_with_a_k_of_its_own_each_face_shares_a_batch_with_its_equals(group, prior, recipe, monkeypatch):
    wanted = iter([5, 9, 5, 5])
    monkeypatch.setattr(align, "choose_noise_steps", lambda *_: next(wanted))
    calls = []
    request = RestoreRequest((group, replace(group, seed=4)))
    photos = go(request, by_photo(recipe("direct", batch=8)), prior, on_calls=calls.extend).photos
    assert [[face.noise_steps for face in photo.faces] for photo in photos] == [[5, 9], [5, 5]]
    batches = [(call.numbers.noise_steps, len(call.items)) for call in calls if call.stage == "restore"]
    assert batches == [(5, 3), (9, 1)]


@pytest.mark.parametrize(
    ("own", "noted", "warned"), [((5, 9), [True, False], []), ((5, 5), [True, True], ["looks_clean"])]
)
def test_a_face_that_looked_clean_is_told_of_and_so_is_a_photo_that_was_hardly_changed(
    group, prior, recipe, monkeypatch, own, noted, warned
):
    wanted = iter(own)
    monkeypatch.setattr(align, "choose_noise_steps", lambda *_: next(wanted))
    monkeypatch.setattr(running, "smallest_noise_steps", lambda _: 5)
    (photo,) = go(RestoreRequest((group,)), by_photo(recipe("direct", batch=8)), prior).photos
    assert ["looks_clean" in face.notes for face in photo.faces] == noted
    assert [warning.code for warning in photo.warnings] == warned
    assert all(face.verdict is FaceVerdict.RESTORED for face in photo.faces)


def test_each_face_has_its_own_k_where_the_recipe_that_it_is_restored_by_says_so(
    group, prior, recipe, checkpoints, monkeypatch
):
    monkeypatch.setattr(align, "choose_noise_steps", lambda *_: 4)
    wishes = (FaceWish(index=0, checkpoint_id="alice"), FaceWish(index=1))
    request = RestoreRequest(
        (replace(group, faces=wishes),), checkpoints=checkpoints, personal_recipe=by_photo(recipe("personal"))
    )
    steps = [face.noise_steps for face in go(request, recipe("direct"), prior).photos[0].faces]
    assert steps == [4, recipe("direct").restore.noise_steps]
    assert steps[1] != 4


def test_a_face_that_looks_clean_needs_no_album_of_its_own(group, prior, recipe, monkeypatch):
    wanted = iter([5, 9])
    monkeypatch.setattr(align, "choose_noise_steps", lambda *_: next(wanted))
    monkeypatch.setattr(running, "smallest_noise_steps", lambda _: 5)
    calls = []
    (photo,) = go(RestoreRequest((group,)), by_photo(recipe("generative")), prior, on_calls=calls.extend).photos
    assert [call.faces for call in calls if call.stage == "finetune"] == [(1,)]
    assert [face.verdict for face in photo.faces] == [FaceVerdict.RESTORED] * 2
    (direct,) = go(RestoreRequest((group,)), with_noise_steps(recipe("direct"), 5, by_photo=False), prior).photos
    assert np.array_equal(photo.faces[0].candidates[0].native, direct.faces[0].candidates[0].native)
