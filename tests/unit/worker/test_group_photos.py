"""A photo with several faces, from the job's options to the rows: who is restored with what, and what is stored."""

import numpy as np
import pytest
from skimage.data import astronaut
from sqlalchemy import select

from core.db import jobs
from core.db.tables import (
    AlbumPhoto,
    CandidateRow,
    Checkpoint,
    Job,
    Restoration,
    RestorationCheckpoint,
    StageOutput,
    Subject,
)
from core.domain.face import FaceWish
from core.imaging.align import align_face, alignment_of_face
from core.imaging.embedding import embed_aligned
from core.imaging.faces.open import FinderChoice
from core.imaging.intake import decode_photo, encode
from core.imaging.resize import resize
from core.pipeline.checkpoint import CheckpointInfo, checkpoint_bytes
from core.storage.base import BlobRef, read_blob
from tests.benches import OWNER, at_step, tiny_recipe
from tests.fakes import tiny_prior
from worker.artifacts import JobArtifacts
from worker.constraints import constraints_of


def _pair():
    """The same face twice, the second one smaller and mirrored."""
    one = resize(np.ascontiguousarray(astronaut()[:400, 30:430]), 256)
    other = np.full((256, 208, 3), 128, np.uint8)
    other[24:232] = resize(np.ascontiguousarray(one[:, ::-1]), 208)
    return np.ascontiguousarray(np.concatenate([one, other], axis=1))


PAIR = _pair()
LEFT, RIGHT = np.s_[:, :256], np.s_[:, 256:]


def wishes(*faces):
    return [FaceWish(**face).as_json() for face in faces]


def picture(bench, sha256, size_bytes):
    return decode_photo(read_blob(bench.store, BlobRef(OWNER, sha256, size_bytes)))


def done(bench, worker, job):
    worker.loop.run_until_empty()
    ended = bench.job(job)
    assert (ended.status, ended.error) == ("succeeded", None)
    return bench.row(Restoration, job.restoration_id)


def tuned(bench, category="person"):
    """A subject with a checkpoint that changes nothing; both ids. What a tuning gives is tested elsewhere."""
    subject = bench.add_subject()
    bench.change(Subject, subject, category=category)
    recipe = tiny_recipe("personal")
    info = CheckpointInfo(bench.spec.sha256, "tiny", recipe.finetune, 1, "0" * 64, 6)
    ref = bench.keep(checkpoint_bytes(info, tiny_prior().network.state_dict()))
    checkpoint_id = bench.add_tuning(subject, [], recipe, kind="checkpoint").checkpoint_id
    bench.change(
        Checkpoint, checkpoint_id, status="ready", blob_sha256=ref.sha256, size_bytes=ref.size_bytes, job_id=None
    )
    with bench.database.write() as session:
        session.query(Job).delete()  # the tuning, which need not be run
    return subject, checkpoint_id


@pytest.fixture
def known(monkeypatch):
    """Who the left face is, as an album would tell: embeddings by subject id."""
    embeddings = {}
    monkeypatch.setattr(
        "core.db.albums.references",
        lambda _session, _owner_id, subject_id: [one.astype("<f4").tobytes() for one in embeddings[subject_id]],
    )
    return embeddings


def vector_of(place):
    face = FinderChoice().open().find(np.ascontiguousarray(PAIR[place]))[0]
    return embed_aligned(align_face(np.ascontiguousarray(PAIR[place]), alignment_of_face(face), 128))


def test_of_a_photo_with_two_faces_one_is_restored_and_the_other_kept_to_the_last_bit(bench, worker):
    job = bench.add_restoration(
        encode(PAIR), aligned=False, candidates=2, format=None, faces=wishes({"index": 1, "action": "keep"})
    )
    row = done(bench, worker, job)
    assert [(face["verdict"], face["selected"]) for face in row.faces] == [("restored", 0), ("kept", None)]
    assert (row.image_media_type, row.width, row.height) == ("image/png", 464, 256)
    image = picture(bench, row.image_sha256, row.image_size_bytes)
    assert np.array_equal(image[RIGHT], PAIR[RIGHT])
    assert not np.array_equal(image[LEFT], PAIR[LEFT])
    assert np.array_equal(image[-8:], PAIR[-8:])
    for number in range(2):
        candidate = bench.row(CandidateRow, (row.id, 0, number))
        assert picture(bench, candidate.native_sha256, candidate.native_size_bytes).shape == (16, 16, 3)
    assert bench.row(CandidateRow, (row.id, 1, 0)) is None
    metrics = bench.job(job).metrics
    assert metrics["faces_restored"] == 1
    assert metrics["identity"] == {"before": None, "after": None}
    assert metrics["quality"]["sharpness"]["before"] is not None


def test_the_checkpoints_of_many_faces_are_never_there_together_neither_stored_nor_in_memory(
    bench, worker, monkeypatch
):
    stored, remembered = [], []
    put = JobArtifacts.put

    def counted(self, stage, *rest):
        put(self, stage, *rest)
        with bench.database.read() as session:
            stored.append(session.query(StageOutput).filter_by(stage="finetune").count())
        recent = self._recent
        remembered.append(sum(key[1] == "finetune" for key in (*recent._kept, *recent._pinned)))

    monkeypatch.setattr(JobArtifacts, "put", counted)
    row = done(bench, worker, bench.add_restoration(encode(PAIR), tiny_recipe("generative"), aligned=False))
    assert [face["verdict"] for face in row.faces] == ["restored", "restored"]
    assert max(stored) == max(remembered) == 1


def test_format_and_layers_are_as_asked(bench, worker):
    job = bench.add_restoration(
        encode(PAIR),
        aligned=False,
        format="jpeg",
        layers=True,
        keep_metadata="none",
        colour="free",
        faces=wishes({"index": 0}),
    )
    row = done(bench, worker, job)
    assert row.image_media_type == bench.row(CandidateRow, (row.id, 0, 0)).media_type == "image/jpeg"
    shown, kept = row.faces
    assert (kept["verdict"], kept["layers"]) == ("kept", None)
    pictures = {
        name: picture(bench, stored["sha256"], stored["size_bytes"])
        for name, stored in shown["layers"]["pictures"].items()
    }
    height, width = pictures["mask"].shape[:2]
    assert pictures["result"].shape == (height, width, 3)
    place = np.s_[shown["layers"]["top"] :, shown["layers"]["left"] :]
    untouched = pictures["mask"][..., 0] == 0
    image = picture(bench, row.image_sha256, row.image_size_bytes)
    assert np.abs(image[place][:height, :width].astype(int) - PAIR[place][:height, :width])[untouched].mean() < 3


def test_each_face_is_restored_with_its_own_checkpoint_and_the_result_is_its_subject_s(bench, worker):
    subject, checkpoint_id = tuned(bench)
    job = bench.add_restoration(
        encode(PAIR),
        tiny_recipe("direct"),
        aligned=False,
        faces=wishes({"index": 0, "checkpoint_id": checkpoint_id}, {"index": 1}),
        personal_recipe=tiny_recipe("personal").model_dump(mode="json"),
        subject_ids=[subject],
    )
    row = done(bench, worker, job)
    assert [face["verdict"] for face in row.faces] == ["restored", "restored"]
    assert [face["subject_id"] for face in row.faces] == [subject, None]
    assert bench.row(RestorationCheckpoint, (row.id, checkpoint_id)).subject_id == subject
    assert bench.row(Checkpoint, checkpoint_id).last_used_at is not None


def test_all_kept_photos_tell_a_person_and_those_that_no_tuning_saw_score_the_result(bench):
    subject, checkpoint_id = tuned(bench)
    photos = bench.add_album(subject, [bytes([number]) for number in range(4)])
    for number, photo in enumerate(photos):
        vector = np.full(128, number, "<f4").tobytes()
        status = "left_out" if number == 3 else "kept"
        bench.change(AlbumPhoto, photo, status=status, embedding=vector, held_out=number >= 2)
    job = bench.add_restoration(encode(PAIR))
    bench.change(Job, job.id, checkpoint_id=checkpoint_id)
    with bench.database.read() as session:
        found = constraints_of(session, session.get_one(Job, job.id))
    assert sorted(found.references[""][:, 0]) == [0, 1, 2]
    assert found.held_out[""].shape == (1, 128)
    assert found.held_out[""][0, 0] == 2
    bench.change(AlbumPhoto, photos[2], held_out=False)
    with bench.database.read() as session:
        assert constraints_of(session, session.get_one(Job, job.id)).held_out == {}


def test_a_result_is_scored_by_what_its_own_tuning_did_not_see_whatever_later_ones_hold_out(bench):
    subject, checkpoint_id = tuned(bench)
    photos = bench.add_album(subject, [bytes([number]) for number in range(3)])
    for number, photo in enumerate(photos):
        vector = np.full(128, number, "<f4").tobytes()
        bench.change(AlbumPhoto, photo, status="kept", embedding=vector, held_out=number == 2)
    bench.change(Checkpoint, checkpoint_id, scores={"held_out_photo_ids": [photos[0]]})
    job = bench.add_restoration(encode(PAIR))
    bench.change(Job, job.id, checkpoint_id=checkpoint_id)
    with bench.database.read() as session:
        found = constraints_of(session, session.get_one(Job, job.id))
    assert found.held_out[""][:, 0].tolist() == [0]


def recognising(bench):
    return bench.add_restoration(
        encode(PAIR),
        tiny_recipe("direct"),
        aligned=False,
        faces="auto",
        personal_recipe=tiny_recipe("personal").model_dump(mode="json"),
    )


def test_whoever_is_surely_recognised_is_restored_with_their_checkpoint_and_only_once(bench, worker, known):
    subject, checkpoint_id = tuned(bench)
    known[subject] = [vector_of(LEFT)]
    row = done(bench, worker, recognising(bench))
    assert [face["subject_id"] for face in row.faces] == [subject, None]
    assert [face["proposal"]["subject_id"] for face in row.faces] == [subject, subject]
    assert row.faces[0]["proposal"]["sureness"] > 0.9
    assert row.faces[1]["proposal"]["sureness"] == 0
    assert row.faces[0]["identity"] > 0.8
    assert bench.row(RestorationCheckpoint, (row.id, checkpoint_id)) is not None


def test_below_the_margin_a_person_is_only_proposed(bench, worker, known):
    subject, checkpoint_id = tuned(bench)
    apart = np.random.default_rng(3).normal(size=128)
    known[subject] = [vector_of(LEFT) + 0.38 * apart / np.linalg.norm(apart)]
    row = done(bench, worker, recognising(bench))
    assert [face["subject_id"] for face in row.faces] == [None, None]
    assert 0 < row.faces[0]["proposal"]["sureness"] < 0.25
    assert bench.row(RestorationCheckpoint, (row.id, checkpoint_id)) is None


def test_nobody_is_recognised_where_nobody_is_known(bench, worker, known):
    subject, _ = tuned(bench, category="cat")
    known[subject] = [vector_of(LEFT)]
    row = done(bench, worker, recognising(bench))
    assert [face["proposal"] for face in row.faces] == [None, None]
    assert [face["verdict"] for face in row.faces] == ["restored", "restored"]


def test_nothing_is_written_of_a_person_who_is_deleted_while_they_are_compared(bench, worker, known):
    subject, _ = tuned(bench)
    known[subject] = [vector_of(LEFT)]
    job = recognising(bench)
    at_step(worker, 12, lambda: bench.change(Subject, subject, deleted_at=job.created_at))
    worker.loop.run_until_empty()
    assert bench.job(job).status == "cancelled"
    assert bench.outputs(job) == set()
    assert bench.row(Restoration, job.restoration_id).image_sha256 is None


def names_of(bench, job):
    with bench.database.read() as session:
        return set(
            session.scalars(select(RestorationCheckpoint.subject_id).filter_by(restoration_id=job.restoration_id))
        )


@pytest.mark.parametrize("when", ["meanwhile", "at the end"])
def test_a_person_who_is_not_on_the_photo_can_be_deleted_without_an_end_to_it(bench, worker, known, when):
    here, _ = tuned(bench)
    elsewhere, other = tuned(bench)
    known[here], known[elsewhere] = [vector_of(LEFT)], [-vector_of(LEFT)]
    job = recognising(bench)

    def forget():
        bench.change(Subject, elsewhere, deleted_at=job.created_at)
        with bench.database.write() as session:
            session.delete(session.get_one(Checkpoint, other))

    at_step(worker, {"meanwhile": 1, "at the end": 12}[when], forget)
    row = done(bench, worker, job)
    assert [face["subject_id"] for face in row.faces] == [here, None]


def test_who_is_recognised_is_named_as_soon_as_that_is_known_and_nobody_else(bench, worker, known):
    here, checkpoint_id = tuned(bench)
    elsewhere, _ = tuned(bench)
    known[here], known[elsewhere] = [vector_of(LEFT)], [-vector_of(LEFT)]
    job, seen = recognising(bench), []

    def look():
        seen.append((bench.job(job).status, names_of(bench, job)))
        with bench.database.read() as session:
            seen.append(jobs.restoring_with(session, OWNER, checkpoint_id))

    at_step(worker, 12, look)
    done(bench, worker, job)
    assert seen == [("running", {here}), True]


def test_a_checkpoint_that_goes_while_faces_are_compared_is_said_by_its_name(bench, worker, known):
    here, checkpoint_id = tuned(bench)
    known[here] = [vector_of(LEFT)]
    job = recognising(bench)
    at_step(worker, 1, lambda: bench.change(Checkpoint, checkpoint_id, status="failed"))
    worker.loop.run_until_empty()
    ended = bench.job(job)
    assert (ended.status, ended.error["code"]) == ("failed", "checkpoint_not_ready")


def test_whoever_is_only_proposed_and_deleted_meanwhile_is_not_in_the_result(bench, worker, known):
    subject, _ = tuned(bench)
    apart = np.random.default_rng(3).normal(size=128)
    known[subject] = [vector_of(LEFT) + 0.53 * apart / np.linalg.norm(apart)]
    job = recognising(bench)
    at_step(worker, 12, lambda: bench.change(Subject, subject, deleted_at=job.created_at))
    row = done(bench, worker, job)
    assert [face["proposal"] for face in row.faces] == [None, None]


def test_of_a_photo_in_which_no_face_is_restored_nothing_is_given_back(bench, worker):
    job = bench.add_restoration(
        encode(PAIR), aligned=False, faces=wishes({"index": 0, "action": "keep"}, {"index": 1, "action": "keep"})
    )
    row = done(bench, worker, job)
    assert [face["verdict"] for face in row.faces] == ["kept", "kept"]
    assert row.image_sha256 is None
