"""Photos with several faces through the whole pipeline, with a tiny prior."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from core.domain.errors import CancelledError, CheckpointMismatchError
from core.domain.face import FaceAction, FaceVerdict, FaceWish
from core.imaging.intake import Limits
from core.imaging.recompose import recompose
from core.imaging.who import identity_to_references
from core.pipeline.artifacts import unpack
from core.pipeline.folder_store import FolderStore
from core.pipeline.plan import plan
from core.pipeline.ports import MemoryStore, NoProgress, Ports
from core.pipeline.request import Photo, RestoreRequest, TuneRequest
from core.pipeline.run import run
from core.pipeline.stages import composite, restore
from tests.fakes import tiny_prior
from tests.photo_files import read_elsewhere, saved

pytestmark = pytest.mark.usefixtures("once")


def go(request, recipe, prior, ports=None, on_photo=None, **options):
    return run(plan(request, recipe, prior.spec), request, recipe, prior, ports or Ports(), on_photo, **options)


def verdicts(photo):
    return [face.verdict for face in photo.faces]


def changed(photo, before):
    """The columns of a result in which a pixel differs."""
    return np.flatnonzero((read_elsewhere(photo.photo.data) != before).any(axis=(0, 2)))


def test_every_face_is_restored_and_nothing_else_is_touched(group, pixels, prior, recipe):
    (photo,) = go(RestoreRequest((group,)), recipe("direct"), prior).photos
    assert verdicts(photo) == [FaceVerdict.RESTORED] * 2
    assert (photo.width, photo.height, photo.photo.suffix) == (480, 256, "png")
    assert [face.n for face in photo.faces] == [0, 1]
    columns = changed(photo, pixels)
    assert columns.min() > 20
    assert (columns < 240).sum() > 80
    assert (columns > 250).sum() > 80
    for face in photo.faces:
        assert face.source == "detected"
        assert face.candidates[0].image.shape == face.crop.shape
        assert "larger_than_prior" in face.notes
        assert face.noise_steps == 12
        assert face.selected == 0


@pytest.mark.parametrize("mode", ["direct", "generative"])
def test_a_face_comes_out_the_same_whatever_its_company(group, prior, recipe, mode):
    (both,) = go(RestoreRequest((group,)), recipe(mode), prior).photos
    alone = replace(group, faces=(FaceWish(index=1),))
    (one,) = go(RestoreRequest((alone,)), recipe(mode), prior).photos
    assert verdicts(one) == [FaceVerdict.KEPT, FaceVerdict.RESTORED]
    first, second = (photo.faces[1].candidates[0].native.astype(int) for photo in (both, one))
    assert np.abs(first - second).max() <= 1


WISHES = {
    "only the second": ((FaceWish(index=1),), ["kept", "restored"]),
    "all but the first": ((FaceWish(index=0, action=FaceAction.KEEP),), ["kept", "restored"]),
    "one in a box that was found as well": (
        (FaceWish(box=(60.0, 40.0, 200.0, 200.0)), FaceWish(index=1, action=FaceAction.KEEP)),
        ["restored", "kept"],
    ),
    "one in a box that is named by its number as well": (
        (FaceWish(index=0, action=FaceAction.KEEP), FaceWish(box=(60.0, 40.0, 200.0, 200.0))),
        ["kept", "kept", "failed"],
    ),
    "eyes alone": ((FaceWish(eyes=((100.0, 100.0), (150.0, 100.0))),), ["restored"]),
    "eyes too near": ((FaceWish(eyes=((100.0, 100.0), (108.0, 100.0))),), ["too_small"]),
    "a box outside": ((FaceWish(box=(900.0, 0.0, 990.0, 90.0)), FaceWish(eyes=((100.0, 100.0), (150.0, 100.0)))), None),
}


@pytest.mark.parametrize("name", WISHES)
def test_what_is_asked_of_single_faces_wins_over_detection(group, pixels, prior, recipe, name):
    wishes, expected = WISHES[name]
    (photo,) = go(RestoreRequest((replace(group, faces=wishes),)), recipe("direct"), prior).photos
    if name == "a box outside":
        assert verdicts(photo) == [FaceVerdict.FAILED, FaceVerdict.RESTORED]
        assert "outside the photo" in photo.faces[0].error.message
        assert "Face 0 stays as it was" in photo.warnings[0].message
    else:
        assert verdicts(photo) == expected
    kept = [face.box for face in photo.faces if face.verdict is FaceVerdict.KEPT]
    for left, _, right, _ in kept:
        inner = np.arange(round(left + 20), round(right - 20))
        assert not np.isin(inner, changed(photo, pixels)).any()
    assert photo.restored is (FaceVerdict.RESTORED in verdicts(photo))


def test_a_face_that_is_left_alone_is_said_to_where_the_photo_is_put_together(group, prior, recipe, monkeypatch):
    seen = []

    def put_together(data, faces, output, limits, kept):
        seen.append(([face.quad for face in faces], [face.quad for face in kept]))
        return recompose(data, faces, output, limits, kept)

    monkeypatch.setattr(composite, "recompose", put_together)
    (photo,) = go(RestoreRequest((replace(group, faces=(FaceWish(index=1),)),)), recipe("direct"), prior).photos
    ((restored, kept),) = seen
    assert np.array_equal(restored, [photo.faces[1].quad])
    assert np.array_equal(kept, [photo.faces[0].quad])


def test_a_number_that_no_face_has_is_said_and_the_photo_stays(group, pixels, prior, recipe):
    (photo,) = go(RestoreRequest((replace(group, faces=(FaceWish(index=7),)),)), recipe("direct"), prior).photos
    assert "There is no face 7: 2 faces were found" in photo.warnings[0].message
    assert not photo.restored
    assert changed(photo, pixels).size == 0


def test_each_face_of_a_photo_has_its_own_checkpoint_in_one_run(group, prior, recipe, checkpoints, monkeypatch):
    sizes = []
    whole = restore.restore_batch
    monkeypatch.setattr(restore, "restore_batch", lambda *a, **k: sizes.append(len(a[1])) or whole(*a, **k))
    wishes = (FaceWish(index=0, checkpoint_id="alice"), FaceWish(index=1, checkpoint_id="bob"))
    request = RestoreRequest(
        (replace(group, faces=wishes),), checkpoints=checkpoints, personal_recipe=recipe("personal", noise_steps=9)
    )
    (mixed,) = go(request, recipe("direct"), prior).photos
    assert verdicts(mixed) == [FaceVerdict.RESTORED] * 2
    assert [face.noise_steps for face in mixed.faces] == [9, 9]
    assert sizes == [1, 1]
    swapped = replace(request, photos=(replace(group, faces=(replace(wishes[0], checkpoint_id="bob"), wishes[1])),))
    (other,) = go(swapped, recipe("direct"), prior).photos
    assert sizes[2:] == [2]
    assert not np.array_equal(mixed.faces[0].candidates[0].native, other.faces[0].candidates[0].native)
    same = mixed.faces[1].candidates[0].native.astype(int) - other.faces[1].candidates[0].native
    assert np.abs(same).max() <= 1


def test_a_face_whose_checkpoint_does_not_fit_fails_alone(group, prior, recipe, checkpoints, aligned):
    from tests.benches import tiny_recipe

    foreign = tiny_prior(seed=5, sha256="9" * 64)
    bad = go(TuneRequest(aligned), tiny_recipe("personal"), foreign).checkpoint
    wishes = (FaceWish(index=0, checkpoint_id="bad"), FaceWish(index=1, checkpoint_id="alice"))
    request = RestoreRequest((replace(group, faces=wishes),), checkpoints={**checkpoints, "bad": bad})
    (photo,) = go(request, recipe("personal"), prior).photos
    assert verdicts(photo) == [FaceVerdict.FAILED, FaceVerdict.RESTORED]
    assert isinstance(photo.faces[0].error, CheckpointMismatchError)
    assert photo.faces[0].candidates == ()


def vectors_of(photo, prior, recipe):
    """What the faces of a photo look like to dlib."""
    store = MemoryStore()
    go(RestoreRequest((photo,)), recipe("direct"), prior, Ports(store=store))
    items = {item: data for (stage, item, _), data in store.kept.items() if stage == "align"}
    return [unpack(items[f"photo-0-face-{n}"])[0]["embedding"] for n in range(2)]


def test_the_subject_s_checkpoint_is_for_the_subject_s_face_alone(group, prior, recipe, checkpoints):
    first, second = vectors_of(group, prior, recipe)
    away = np.eye(128)[0] * 2
    request = RestoreRequest((group,), checkpoints["alice"], references={"": np.stack([second, second])})
    (photo,) = go(request, recipe("personal"), prior).photos
    assert verdicts(photo)[0] is FaceVerdict.NOT_THE_SUBJECT
    assert verdicts(photo)[1] in (FaceVerdict.RESTORED, FaceVerdict.KEEP_ORIGINAL)
    assert photo.faces[1].identity == pytest.approx(1.0)
    assert photo.faces[0].crop is not None

    nobody = replace(request, references={"": np.stack([first + away])})
    (photo,) = go(nobody, recipe("personal"), prior).photos
    assert verdicts(photo) == [FaceVerdict.NOT_THE_SUBJECT] * 2
    assert "None of the faces is surely the subject's" in photo.warnings[0].message

    unknown = replace(request, references={})
    (photo,) = go(unknown, recipe("personal"), prior).photos
    assert verdicts(photo) == [FaceVerdict.NOT_THE_SUBJECT] * 2
    assert "nothing tells which one is the subject's" in photo.warnings[0].message
    assert not photo.restored
    other_kept = replace(unknown, photos=(replace(group, faces=(FaceWish(index=0, action=FaceAction.KEEP),)),))
    (photo,) = go(other_kept, recipe("personal"), prior).photos
    assert verdicts(photo) == [FaceVerdict.KEPT, FaceVerdict.RESTORED]


def test_a_single_face_is_restored_in_any_case_and_stays_the_original_where_it_loses_its_identity(
    aligned, crops, prior, recipe, checkpoints
):
    vector = vectors_of_aligned(crops[0])
    request = RestoreRequest(aligned[:1], checkpoints["alice"], candidates=2, references={"": vector[None]})
    (photo,) = go(request, recipe("personal"), prior).photos
    (face,) = photo.faces
    after = [candidate.scores["identity_after"] for candidate in face.candidates]
    assert after == sorted(after, reverse=True)
    assert face.candidates[0].scores["identity_before"] == pytest.approx(face.identity, abs=1e-4)
    # The tiny prior knows no faces: what it makes is like nobody.
    assert after[0] < face.identity - 0.05
    assert (face.verdict, face.selected) == (FaceVerdict.KEEP_ORIGINAL, "original")
    assert np.array_equal(read_elsewhere(photo.photo.data), crops[0])
    assert photo.warnings[0].code == "identity_lost"

    stranger = replace(request, references={"": vector[None] + np.eye(128)[0]})
    (photo,) = go(stranger, recipe("personal"), prior).photos
    assert "unlike_the_subject" in photo.faces[0].notes
    assert len(photo.faces[0].candidates) == 2


def test_a_single_face_that_is_not_surely_the_subject_s_is_restored_as_theirs_and_told_of(
    aligned, crops, prior, recipe, checkpoints
):
    far = vectors_of_aligned(crops[0])[None] + 30 * np.eye(128)[0]
    (photo,) = go(
        RestoreRequest(aligned[:1], checkpoints["alice"], references={"": far}), recipe("personal"), prior
    ).photos
    assert verdicts(photo) == [FaceVerdict.RESTORED]
    assert ["not surely theirs" in warning.message for warning in photo.warnings] == [True]


def test_a_photo_beyond_the_operator_s_limit_is_refused(group, prior, recipe):
    limited = Ports(limits=Limits(max_bytes=len(group.data) - 1))
    (photo,) = go(RestoreRequest((group,)), recipe("direct"), prior, limited).photos
    assert photo.error is not None
    assert photo.error.code == "image_too_large"


def test_results_are_scored_by_what_no_tuning_saw_and_recognised_by_all(aligned, crops, prior, recipe, checkpoints):
    vector = vectors_of_aligned(crops[0])
    seen, unseen = vector, vector + 0.3 * np.eye(128)[0]
    request = RestoreRequest(aligned[:1], checkpoints["alice"], references={"": np.stack([seen, unseen])})
    (face,) = go(request, recipe("personal"), prior).photos[0].faces
    assert face.identity == pytest.approx(0.85)
    assert face.notes.count("none_held_out") == 1
    honest = replace(request, held_out={"": unseen[None]})
    (face,) = go(honest, recipe("personal"), prior).photos[0].faces
    assert face.identity == face.candidates[0].scores["identity_before"] == pytest.approx(0.7)
    assert "none_held_out" not in face.notes
    assert "unlike_the_subject" not in face.notes


def vectors_of_aligned(crop):
    from core.imaging.embedding import embed_aligned

    vector = embed_aligned(crop)
    assert identity_to_references(vector, vector[None]) == 1
    return vector


def test_the_album_of_a_request_tells_who_its_subject_is(aligned, prior, recipe):
    request = RestoreRequest(aligned[:1], album=aligned[1:])
    (photo,) = go(request, recipe("personal"), prior).photos
    (face,) = photo.faces
    assert 0.5 < face.identity < 1
    assert face.candidates[0].scores["identity_before"] == pytest.approx(face.identity, abs=1e-4)


@pytest.mark.parametrize("mode", ["direct", "generative"])
def test_a_run_that_was_stopped_among_its_faces_goes_on_to_the_same_photo(
    group, prior, recipe, cancel_after, tmp_path, mode
):
    request = RestoreRequest((group,))
    (expected,) = go(request, recipe(mode), prior).photos
    for questions in (2, 5, 20, 40):
        store = FolderStore(tmp_path / "work")
        try:
            go(request, recipe(mode), prior, Ports(NoProgress(), cancel_after(questions), store))
        except CancelledError:
            continue
    (resumed,) = go(request, recipe(mode), prior, Ports(store=FolderStore(tmp_path / "work"))).photos
    assert resumed.photo.data == expected.photo.data


class CountingStore(MemoryStore):
    """Keeps in mind the most of each stage that it held at once."""

    def __init__(self):
        super().__init__()
        self.most = {}

    def put(self, stage, item, input_hash, data):
        super().put(stage, item, input_hash, data)
        self.most[stage] = max(self.most.get(stage, 0), self.held(stage))

    def held(self, stage):
        return sum(one == stage for one, *_ in self.kept)


def test_of_what_a_face_was_made_of_no_more_is_stored_at_once_than_one_face_needs(group, prior, recipe):
    store = CountingStore()
    (photo,) = go(RestoreRequest((group,)), recipe("generative"), prior, Ports(store=store), forget=True).photos
    assert verdicts(photo) == [FaceVerdict.RESTORED] * 2
    assert {stage: store.most[stage] for stage in ("album", "finetune", "restore")} == {
        "album": 3,
        "finetune": 1,
        "restore": 1,
    }
    assert [store.held(stage) for stage in ("album", "finetune", "restore", "composite")] == [0, 0, 0, 3]


@pytest.mark.parametrize("wishes", [None, (FaceWish(box=(40.0, 30.0, 200.0, 190.0)),)])
def test_of_other_categories_a_box_or_the_whole_picture_is_restored_and_nobody_is_recognised(
    group, pixels, prior, recipe, wishes
):
    request = RestoreRequest((replace(group, faces=wishes),), category="cat", candidates=2)
    (photo,) = go(request, recipe("direct"), prior).photos
    (face,) = photo.faces
    assert face.source == ("box" if wishes else "whole")
    assert face.verdict is FaceVerdict.RESTORED
    assert not any("identity" in name for name in face.candidates[0].scores)
    residuals = [candidate.scores["residual_after"] for candidate in face.candidates]
    assert residuals == sorted(residuals)
    columns = changed(photo, pixels)
    assert (columns.min(), columns.max()) == (0, 479) if not wishes else columns.max() < 205


def test_a_grey_photo_comes_out_grey_and_in_its_own_format_with_its_orientation_applied(pixels, prior, recipe):
    grey = Image.fromarray(pixels).convert("L").convert("RGB").transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    sent = Photo("turned.tif", saved(grey, "TIFF", exif=exif, compression="tiff_lzw"))
    (photo,) = go(RestoreRequest((sent,)), recipe("direct"), prior).photos
    assert photo.restored
    assert (photo.photo.suffix, photo.width, photo.height) == ("tif", 480, 256)
    with Image.open(io.BytesIO(photo.photo.data)) as written:
        assert written.getexif().get(0x0112, 1) == 1
        made = np.asarray(written.convert("RGB"))
    assert np.array_equal(made[..., 0], made[..., 1])
    assert np.array_equal(made[..., 1], made[..., 2])
    for face in photo.faces:
        assert np.ptp(face.candidates[0].image, axis=2).max() == 0
