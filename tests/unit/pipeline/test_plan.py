import pytest

from core.domain.errors import AlbumTooSmallError, InvalidRecipeError, InvalidRequestError
from core.pipeline.expansion import PhotoFaces, align_calls, restoring_calls
from core.pipeline.fates import Fates
from core.pipeline.found import FoundFace, FoundFaces
from core.pipeline.plan import carried_out, plan
from core.pipeline.request import Photo, RestoreRequest, TuneRequest
from core.recipes.schema import override
from tests.fakes import tiny_spec

SPEC = tiny_spec()


def stages(calls):
    return [call.stage for call in calls]


def whole(request, numbers, spec=SPEC):
    """The plan, and what comes of it when every photo is aligned: one face each."""
    calls = list(plan(request, numbers, spec))
    numbers = carried_out(request, numbers)
    hashes = {(call.stage, item): key for call in calls for item, key in zip(call.items, call.hashes, strict=True)}
    photos = []
    for index, photo in enumerate(request.photos):
        found = FoundFaces(64, 64, (FoundFace(0, "aligned"),))
        aligned = align_calls(index, photo, found, request, numbers, spec)
        hashes |= {("align", call.items[0]): call.hashes[0] for call in aligned}
        calls += aligned
        photos.append(PhotoFaces(index, found, Fates({}, {}, ()), {}))
    rounds = [[photo] for photo in photos] if numbers.mode == "generative" else [photos]
    for some in rounds:
        calls += restoring_calls(some, request, numbers, spec, hashes)
    return calls


def test_direct_finds_aligns_restores_and_composites(aligned, recipe):
    request = RestoreRequest(aligned[:2])
    assert stages(plan(request, recipe("direct"), SPEC)) == ["detect", "composite"] * 2
    added = whole(request, recipe("direct"))[4:]
    assert stages(added) == ["align", "align", "restore", *["composite"] * 4]
    last = [call for call in added if call.stage == "composite"]
    assert [call.items[0] for call in last] == ["photo-0-face-0", "photo-0", "photo-1-face-0", "photo-1"]


def test_generative_goes_photo_by_photo_with_the_album_in_batches(aligned, recipe):
    calls = whole(RestoreRequest(aligned[:2]), recipe("generative"))[6:]
    one = ["album", "album", "finetune", "restore", "composite", "composite"]
    assert stages(calls) == one * 2
    assert [len(call.items) for call in calls if call.stage == "album"] == [2, 1, 2, 1]


def test_personal_with_an_album_tunes_once_for_all_photos(aligned, recipe):
    calls = whole(RestoreRequest(aligned[:2], album=aligned[2:]), recipe("personal"))
    assert stages(calls).count("finetune") == 1
    assert stages(calls).count("curate") == 1


def test_candidates_share_batches(aligned, recipe):
    calls = whole(RestoreRequest(aligned[:2], candidates=3), recipe("direct", batch=4))
    assert [len(call.items) for call in calls if call.stage == "restore"] == [4, 2]


@pytest.mark.parametrize(
    ("changes", "request_changes", "stage", "same"),
    [
        ({}, {"seed": 1}, "restore", False),
        ({"restore.noise_steps": 11}, {}, "restore", False),
        ({"restore.batch": 1}, {}, "restore", True),
        ({}, {"native": True}, "restore", True),
        ({}, {"native": True}, "composite", False),
        ({"restore.noise_steps": 11}, {}, "align", True),
    ],
)
def test_a_hash_changes_exactly_with_what_decides_the_outcome(aligned, recipe, changes, request_changes, stage, same):
    def hashes(numbers, **more):
        calls = whole(RestoreRequest(aligned[:1], **more), numbers)
        return next(call.hashes for call in calls if call.stage == stage)

    before, after = hashes(recipe("direct")), hashes(override(recipe("direct"), changes), **request_changes)
    assert (before == after) is same


def test_another_prior_another_hash(aligned, recipe):
    other = tiny_spec(sha256="2" * 64)
    one, two = (whole(RestoreRequest(aligned[:1]), recipe("direct"), spec) for spec in (SPEC, other))
    differing = {a.stage for a, b in zip(one, two, strict=True) if a.hashes != b.hashes}
    assert differing == {"restore", "composite"}


def test_a_label_is_not_part_of_a_hash(aligned, recipe):
    renamed = Photo("other name.png", aligned[0].data, aligned=True)
    one, two = (whole(RestoreRequest((photo,)), recipe("direct")) for photo in (aligned[0], renamed))
    assert [call.hashes for call in one] == [call.hashes for call in two]


@pytest.mark.parametrize("mode", ["direct", "generative"])
def test_more_noise_steps_than_the_prior_has_are_refused_with_the_range(aligned, recipe, mode):
    with pytest.raises(InvalidRecipeError, match=r"restore\.noise_steps is 51, allowed is at most 50"):
        plan(RestoreRequest(aligned[:1]), recipe(mode, noise_steps=51), SPEC)


def test_starting_an_album_from_pure_noise_needs_the_whole_schedule(aligned, recipe):
    numbers = override(recipe("generative"), {"album.start_from": "noise"})
    with pytest.raises(InvalidRecipeError, match=r"needs album\.start_steps 50"):
        plan(RestoreRequest(aligned[:1]), numbers, SPEC)


@pytest.mark.parametrize(("count", "words"), [(0, "no photos"), (1, "one photo"), (2, "2 photos")])
def test_an_album_that_cannot_be_enough_is_refused_at_once(aligned, recipe, count, words):
    with pytest.raises(AlbumTooSmallError, match=words):
        plan(TuneRequest(aligned[:count]), recipe("personal"), SPEC)


def test_contradicting_requests_are_refused_with_what_to_do(aligned, recipe):
    with pytest.raises(InvalidRequestError, match="no photo"):
        plan(RestoreRequest(()), recipe("direct"), SPEC)
    with pytest.raises(InvalidRequestError, match="heirloom tune"):
        plan(RestoreRequest(aligned[:1]), recipe("personal"), SPEC)
    with pytest.raises(InvalidRequestError, match="belongs to the personal mode"):
        plan(RestoreRequest(aligned[:1], checkpoint=b"x"), recipe("direct"), SPEC)
    with pytest.raises(InvalidRequestError, match=r"A checkpoint and an album were given.*Leave one of them out"):
        plan(RestoreRequest(aligned[:1], checkpoint=b"x", album=aligned), recipe("personal"), SPEC)
    with pytest.raises(InvalidRecipeError, match="candidates is 9"):
        plan(RestoreRequest(aligned[:1], candidates=9), recipe("direct"), SPEC)
    with pytest.raises(InvalidRecipeError, match="finetune"):
        plan(TuneRequest(aligned), recipe("direct"), SPEC)


@pytest.mark.parametrize(("noise_steps", "tuned_below"), [(11, 12), (12, 12), (30, 30)])
def test_a_tuning_of_the_request_sees_every_timestep_that_is_restored_from(aligned, recipe, noise_steps, tuned_below):
    numbers = override(recipe("generative", noise_steps=noise_steps), {"finetune.timesteps_below": 12})
    request = RestoreRequest(aligned[:1])
    carried = carried_out(request, numbers)
    assert carried.finetune.timesteps_below == tuned_below
    assert plan(request, numbers, SPEC) == plan(request, carried, SPEC)


def test_what_was_tuned_already_or_on_the_whole_schedule_is_reported_as_it_is(aligned, recipe):
    low = override(recipe("personal", noise_steps=30), {"finetune.timesteps_below": 12})
    assert carried_out(RestoreRequest(aligned[:1], checkpoint=b"x"), low) == low
    assert carried_out(TuneRequest(aligned), low).finetune.timesteps_below == 30
    whole = recipe("personal", noise_steps=30)
    assert carried_out(TuneRequest(aligned), whole) == whole
    assert carried_out(RestoreRequest(aligned[:1]), recipe("direct", noise_steps=30)) == recipe(
        "direct", noise_steps=30
    )


def test_an_album_photo_s_call_is_parted_into_halves_in_order(aligned, recipe):
    numbers = override(recipe("generative"), {"album.images": 5, "album.batch": 5})
    (call,) = (call for call in whole(RestoreRequest(aligned[:1]), numbers) if call.stage == "album")
    first, second = call.halves()
    assert (*first.items, *second.items) == call.items
    assert (*first.hashes, *second.hashes) == call.hashes
    assert (first.images, second.images) == (range(2), range(2, 5))
    assert first.sources == second.sources == (0,)


def test_a_restoration_s_call_is_parted_with_its_photos_and_candidates(aligned, recipe):
    calls = whole(RestoreRequest(aligned[:2], candidates=2), recipe("direct", batch=4))
    (call,) = (call for call in calls if call.stage == "restore")
    second = call.halves()[1]
    assert second.items == ("photo-1-face-0-0", "photo-1-face-0-1")
    assert (second.sources, second.candidates) == ((1, 1), (0, 1))
