from dataclasses import replace

import numpy as np
import pytest

from core.domain.errors import AlbumTooSmallError, BadInputError, CancelledError, ImageUnreadableError
from core.imaging.intake import decode_photo, encode
from core.pipeline.checkpoint import apply_checkpoint, read_info
from core.pipeline.folder_store import FolderStore
from core.pipeline.plan import plan
from core.pipeline.ports import MemoryStore, NoProgress, Ports
from core.pipeline.request import Photo, RestoreRequest, TuneRequest
from core.pipeline.run import run
from core.recipes.schema import override


def go(request, recipe, prior, ports=None, on_photo=None, **options):
    return run(plan(request, recipe, prior.spec), request, recipe, prior, ports or Ports(), on_photo, **options)


def images(result):
    return [photo.faces[0].candidates[0].image for photo in result.photos]


@pytest.mark.parametrize("mode", ["direct", "generative"])
def test_a_restored_face_has_the_size_of_its_crop_and_is_not_the_photo(aligned, crops, prior, recipe, mode):
    (photo,) = go(RestoreRequest(aligned[:1]), recipe(mode), prior).photos
    (candidate,) = photo.faces[0].candidates
    assert candidate.image.shape == (64, 64, 3)
    assert candidate.native.shape == (16, 16, 3)
    assert not np.array_equal(candidate.image, crops[0])
    assert {"identity_to_photo", "sharpness_before", "residual_after"} <= set(candidate.scores)


def test_native_gives_the_prior_s_own_size(aligned, prior, recipe):
    (image,) = images(go(RestoreRequest(aligned[:1], native=True), recipe("direct"), prior))
    assert image.shape == (16, 16, 3)


def test_personal_tunes_on_the_album_and_its_checkpoint_restores_the_same(aligned, prior, recipe):
    tuned = go(TuneRequest(aligned[1:]), recipe("personal"), prior)
    assert [photo.kept for photo in tuned.album.photos] == [True] * 5
    once = images(go(RestoreRequest(aligned[:1], checkpoint=tuned.checkpoint), recipe("personal"), prior))
    both = images(go(RestoreRequest(aligned[:1], album=aligned[1:]), recipe("personal"), prior))
    direct = images(go(RestoreRequest(aligned[:1]), recipe("direct"), prior))
    assert np.array_equal(once[0], both[0])
    assert not np.array_equal(once[0], direct[0])


def test_the_same_seed_gives_the_same_pixels_and_another_one_others(aligned, prior, recipe):
    first, again, other = (
        images(go(RestoreRequest(aligned[:1], seed=seed), recipe("generative"), prior))[0] for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_photo_s_result_hardly_depends_on_its_place_and_company(aligned, prior, recipe):
    alone = images(go(RestoreRequest(aligned[2:3]), recipe("direct"), prior))[0]
    last = images(go(RestoreRequest(aligned[:3]), recipe("direct"), prior))[2]
    assert np.abs(alone.astype(int) - last).max() <= 1


def test_photos_with_seeds_of_their_own_share_a_batch_and_come_out_as_they_do_alone(aligned, prior, recipe):
    seeded = [replace(photo, seed=seed) for photo, seed in zip(aligned[:2], (3, 4), strict=True)]
    together = images(go(RestoreRequest(tuple(seeded), seed=9), recipe("direct"), prior))
    for photo, made in zip(aligned, together, strict=False):
        alone = images(go(RestoreRequest((photo,), seed=3 + photo.label.startswith("1")), recipe("direct"), prior))[0]
        assert np.abs(alone.astype(int) - made).max() <= 1


def test_a_caller_may_have_the_constrained_prior_ready(aligned, prior, recipe):
    tuned = go(TuneRequest(aligned[1:]), recipe("personal"), prior)
    ready = apply_checkpoint(prior, tuned.checkpoint)
    asked = []

    def constrain(_, checkpoint):
        asked.append(checkpoint)
        return ready

    request = RestoreRequest(aligned[:3], checkpoint=tuned.checkpoint)
    usual = images(go(request, recipe("personal"), prior))
    mine = images(go(request, recipe("personal"), prior, constrain=constrain))
    assert asked == [tuned.checkpoint]
    assert all(np.array_equal(one, two) for one, two in zip(usual, mine, strict=True))


def test_candidates_differ_and_the_likest_comes_first(aligned, prior, recipe):
    (photo,) = go(RestoreRequest(aligned[:1], candidates=3), recipe("direct"), prior).photos
    identities = [candidate.scores["identity_to_photo"] for candidate in photo.faces[0].candidates]
    assert identities == sorted(identities, reverse=True)
    assert len({candidate.image.tobytes() for candidate in photo.faces[0].candidates}) == 3


@pytest.mark.parametrize("mode", ["direct", "generative"])
def test_a_bad_photo_fails_alone_and_is_never_returned_as_it_was(aligned, prior, recipe, mode):
    broken = Photo("broken.png", aligned[0].data[:200], aligned=True)
    faceless = Photo("wall.png", encode(np.full((120, 120, 3), 90, np.uint8)))
    seen = {}
    request = RestoreRequest((aligned[0], broken, faceless, aligned[1]))
    result = go(request, recipe(mode), prior, on_photo=seen.__setitem__)
    assert result.photos == ()
    photos = [seen[index] for index in range(4)]
    assert [photo.error and photo.error.code for photo in photos] == [None, "image_unreadable", None, None]
    assert [[warning.code for warning in photo.warnings] for photo in photos] == [[], [], ["no_face_detected"], []]
    assert [photo.restored for photo in photos] == [True, False, False, True]
    assert np.array_equal(decode_photo(photos[2].photo.data), decode_photo(faceless.data))


def test_an_album_s_report_says_why_photos_were_left_out(aligned, prior, recipe):
    album = (
        *aligned[:4],
        Photo("again.png", aligned[0].data, aligned=True),
        Photo("broken.png", b"\x89PNG broken", aligned=True),
        Photo("wall.png", encode(np.full((120, 120, 3), 90, np.uint8))),
    )
    report = go(TuneRequest(album), recipe("personal"), prior).album.photos
    assert [entry.code for entry in report[4:]] == ["duplicate", report[5].code, "no_face_detected"]
    assert report[5].code in ("image_unreadable", "unsupported_format")
    assert all(entry.reason for entry in report[4:])


def test_an_album_with_too_few_usable_photos_says_how_many_and_why(aligned, prior, recipe):
    album = (aligned[0], aligned[0], *(Photo(f"{i}", b"rubbish", aligned=True) for i in range(3)))
    with pytest.raises(AlbumTooSmallError, match=r"Only 1 of the album's 5 photos") as caught:
        go(TuneRequest(album), recipe("personal"), prior)
    assert [photo.kept for photo in caught.value.report.photos] == [True, False, False, False, False]


class Counting(NoProgress):
    def __init__(self):
        self.steps = []

    def report(self, stage, item, done, total):
        self.steps.append((stage, item, done, total))


@pytest.mark.parametrize("questions", [1, 6, 14, 22, 28, 34, 45])
def test_a_run_that_was_stopped_anywhere_goes_on_to_the_same_pixels(
    aligned, prior, recipe, cancel_after, tmp_path, questions
):
    request, numbers = RestoreRequest(aligned[:1]), recipe("generative")
    expected = images(go(request, numbers, prior))[0]
    store = FolderStore(tmp_path / "work")
    with pytest.raises(CancelledError):
        go(request, numbers, prior, Ports(NoProgress(), cancel_after(questions), store))
    resumed = images(go(request, numbers, prior, Ports(store=FolderStore(tmp_path / "work"))))[0]
    assert np.array_equal(resumed, expected)


def test_a_stopped_restoration_goes_on_to_the_same_pixels_and_does_not_begin_again(
    aligned, prior, recipe, cancel_after
):
    request, numbers, store = RestoreRequest(aligned[:2]), recipe("direct"), MemoryStore()
    expected = images(go(request, numbers, prior))
    with pytest.raises(CancelledError):
        go(request, numbers, prior, Ports(NoProgress(), cancel_after(14), store))
    assert any(stage == "resume-restore" for stage, _, _ in store.kept)
    counting = Counting()
    resumed = images(go(request, numbers, prior, Ports(counting, store=store)))
    assert all(np.array_equal(one, two) for one, two in zip(resumed, expected, strict=True))
    assert min(done for stage, _, done, _ in counting.steps if stage == "restore") > 0
    assert not any(stage.startswith("resume") for stage, _, _ in store.kept)


def test_the_photos_of_an_album_are_counted_as_they_are_aligned(aligned, prior, recipe):
    counting = Counting()
    go(TuneRequest(aligned), recipe("personal"), prior, Ports(counting))
    steps = [(done, total) for stage, _, done, total in counting.steps if stage == "align"]
    assert steps == [(number, len(aligned)) for number in range(1, len(aligned) + 1)]


def test_a_stopped_tuning_does_not_begin_again(aligned, prior, recipe, cancel_after):
    store = MemoryStore()
    request, numbers = TuneRequest(aligned), recipe("personal")
    with pytest.raises(CancelledError):
        go(request, numbers, prior, Ports(NoProgress(), cancel_after(13), store))
    progress = Counting()
    go(request, numbers, prior, Ports(progress, store=store))
    done = [step[2] for step in progress.steps if step[0] == "finetune"]
    assert done[0] > 0
    assert done[-1] == 6


def test_what_the_store_holds_is_not_made_again(aligned, prior, recipe):
    store = MemoryStore()
    request, numbers = RestoreRequest(aligned[:1]), recipe("generative")
    first = go(request, numbers, prior, Ports(store=store))
    second = go(request, numbers, prior, Ports(store=store))
    assert np.array_equal(images(first)[0], images(second)[0])
    assert second.seconds == {}


def stages_kept(store):
    return {stage for stage, *_ in store.kept}


def test_where_a_stage_stopped_is_forgotten_once_its_output_is_stored(aligned, prior, recipe, cancel_after):
    store = MemoryStore()
    request, numbers = RestoreRequest(aligned[:1]), recipe("generative")
    for questions, state in ((6, "resume-album"), (30, "resume-finetune")):
        with pytest.raises(CancelledError):
            go(request, numbers, prior, Ports(NoProgress(), cancel_after(questions), store))
        assert state in stages_kept(store)
    go(request, numbers, prior, Ports(store=store))
    assert stages_kept(store) == {"detect", "align", "album", "finetune", "restore", "composite"}


def test_a_store_that_serves_other_requests_too_keeps_albums_and_checkpoints(aligned, prior, recipe):
    store, request = MemoryStore(), RestoreRequest(aligned[:1])
    go(request, recipe("generative", noise_steps=12), prior, Ports(store=store))
    again = go(request, recipe("generative", noise_steps=9), prior, Ports(store=store))
    assert again.seconds.keys() == {"restore", "composite"}


def test_a_photo_whose_result_was_taken_is_not_made_again_after_a_stop(aligned, prior, recipe):
    store, request, numbers = MemoryStore(), RestoreRequest(aligned[:2]), recipe("generative")
    expected = images(go(request, numbers, prior))

    def stop_at_the_second(index, _):
        if index == 1:
            raise CancelledError("Stopped.")

    with pytest.raises(CancelledError):
        go(request, numbers, prior, Ports(store=store), stop_at_the_second, forget=True)
    resumed = go(request, numbers, prior, Ports(store=store), forget=True)
    assert resumed.seconds == {}
    assert all(np.array_equal(one, two) for one, two in zip(images(resumed), expected, strict=True))


def test_a_tuning_of_the_request_is_carried_out_up_to_its_k(aligned, prior, recipe):
    def tuned(below):
        store = MemoryStore()
        numbers = override(recipe("generative", noise_steps=30), {"finetune.timesteps_below": below})
        go(RestoreRequest(aligned[:1]), numbers, prior, Ports(store=store))
        return next(read_info(data).finetune for (stage, *_), data in store.kept.items() if stage == "finetune")

    assert tuned(12).timesteps_below == 30
    assert tuned(40).timesteps_below == 40


def test_progress_ends_each_stage_at_its_total(aligned, prior, recipe):
    progress = Counting()
    go(RestoreRequest(aligned[:1]), recipe("generative"), prior, Ports(progress))
    last = {(stage, item): (done, total) for stage, item, done, total in progress.steps}
    assert last
    assert all(done == total for done, total in last.values())


def test_the_prior_is_left_as_it_was(aligned, prior, recipe):
    before = {key: value.clone() for key, value in prior.network.state_dict().items()}
    go(RestoreRequest(aligned[:1]), recipe("generative"), prior)
    assert all(value.equal(before[key]) for key, value in prior.network.state_dict().items())
    assert not prior.network.training


def test_a_non_square_crop_says_it_must_be_square(prior, recipe):
    wide = Photo("wide.png", encode(np.zeros((40, 90, 3), np.uint8)), aligned=True)
    (photo,) = go(RestoreRequest((wide,)), recipe("direct"), prior).photos
    assert isinstance(photo.error, BadInputError)
    assert "square" in photo.error.message


@pytest.mark.parametrize(("aligned_already", "category"), [(True, "person"), (False, "person"), (False, "cat")])
def test_no_photo_is_read_here_before_the_surroundings_have_decoded_it(
    crops, prior, recipe, monkeypatch, aligned_already, category
):
    read = []
    monkeypatch.setattr("core.imaging.recompose.read_original", lambda *_: read.append("here"))

    def refuse(*_):
        raise ImageUnreadableError("Its decoder ended.")

    request = RestoreRequest((Photo("one.png", encode(crops[0]), aligned_already),), category=category)
    (photo,) = go(request, recipe("direct"), prior, Ports(decode=refuse)).photos
    assert isinstance(photo.error, ImageUnreadableError)
    assert read == []
