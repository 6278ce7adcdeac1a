import cv2
import numpy as np
import pytest

from core.db import albums
from core.db.tables import AlbumPhoto, CandidateRow, Checkpoint, Job, Restoration, Subject
from core.imaging.intake import decode_photo, encode
from core.pipeline.checkpoint import read_info
from core.storage.base import BlobRef, read_blob
from tests.benches import OWNER, at_step, crops, portraits, tiny_recipe


def image_of(bench, job, number=0):
    row = bench.row(CandidateRow, (job.restoration_id, 0, number))
    return decode_photo(read_blob(bench.store, BlobRef(OWNER, row.blob_sha256, row.size_bytes)))


def test_an_album_becomes_a_checkpoint_and_photos_that_waited_are_restored_with_it(bench, worker):
    subject = bench.add_subject()
    photos = bench.add_album(subject, portraits(8))
    album = bench.add_tuning(subject, photos)
    waiting = bench.add_restoration(portraits(1)[0], checkpoint=album, aligned=False, waits=True)
    worker.loop.run_until_empty()
    job, checkpoint = bench.job(album), bench.row(Checkpoint, album.checkpoint_id)
    assert (job.status, job.error) == ("succeeded", None)
    assert (checkpoint.status, checkpoint.step) == ("ready", 6)
    assert read_info(bench.checkpoint_bytes(album)).album_sha256 == checkpoint.album_sha256
    assert bench.row(Subject, subject).default_checkpoint_id == checkpoint.id
    assert {bench.row(AlbumPhoto, photo).status for photo in photos} == {"kept"}
    held_out = [photo for photo in photos if bench.row(AlbumPhoto, photo).held_out]
    assert checkpoint.scores["held_out_photo_ids"] == held_out != []
    assert {"align", "curate", "finetune"} <= job.metrics["seconds"].keys()
    assert job.metrics["peak_memory_bytes"] > 0
    assert bench.job(waiting).status == "succeeded"
    (face,) = bench.row(Restoration, waiting.restoration_id).faces
    assert (len(face["quad"]), face["selected"], face["error"]) == (4, 0, None)
    checkpoint = bench.row(Checkpoint, album.checkpoint_id)
    assert checkpoint.expires_at > checkpoint.last_used_at
    assert bench.outputs(album) == bench.outputs(waiting) == set()


def test_the_album_s_report_can_be_read_while_the_tuning_runs(bench, worker):
    subject = bench.add_subject("person")
    good = bench.add_album(subject, portraits(3))
    (bad,) = bench.add_album(subject, [encode(np.full((120, 120, 3), 90, np.uint8))])
    album = bench.add_tuning(subject, [*good, bad], tiny_recipe("personal", finetune={"iterations": 40}))
    seen = {}

    def look():
        seen.update({photo: bench.row(AlbumPhoto, photo) for photo in (*good, bad)}, stages=bench.outputs(album))

    at_step(worker, 30, look)
    worker.loop.run_until_empty()
    assert "finetune" not in seen["stages"]
    assert {seen[photo].status for photo in good} == {"kept"}
    assert (seen[bad].status, seen[bad].code) == ("left_out", "no_face_detected")
    assert seen[bad].reason
    assert seen[good[0]].view
    assert "album_report" in bench.events(album)
    with bench.database.read() as session:
        rows = {row.id: row for row in session.query(AlbumPhoto)}
        assert all(64 < len(decode_photo(rows[photo].thumbnail)) <= 128 for photo in good)
        vectors = [np.frombuffer(one, "<f4") for one in albums.references(session, OWNER, subject)]
    assert [vector.shape for vector in vectors] == [(128,)] * 3
    assert max(np.linalg.norm(vectors[0] - vector) for vector in vectors) < 0.6
    assert bench.row(Subject, subject).album_report["coverage"]["views"]


def test_an_album_of_several_people_fails_and_says_so_photo_by_photo(bench, worker, monkeypatch):
    seen = iter(range(8))
    monkeypatch.setattr("core.imaging.curate.facts.embed_aligned", lambda _: np.eye(128)[next(seen)])
    subject = bench.add_subject("person")
    photos = bench.add_album(subject, portraits(4))
    album = bench.add_tuning(subject, photos)
    worker.loop.run_until_empty()
    assert bench.job(album).error["code"] == "album_mixed_identity"
    assert {bench.row(AlbumPhoto, photo).code for photo in photos} == {"album_mixed_identity"}
    with bench.database.read() as session:
        assert albums.references(session, OWNER, subject) == []


def test_a_photo_that_its_owner_took_out_meanwhile_stays_out_and_one_that_was_insisted_on_comes_in(bench, worker):
    subject = bench.add_subject()
    picture = decode_photo(portraits(4)[3])
    softer = encode(cv2.GaussianBlur(picture, (0, 0), 1.0), "png")
    *photos, copy = bench.add_album(subject, [*portraits(4), softer])
    album = bench.add_tuning(subject, [*photos, copy], tune=False)
    bench.change(Job, album.id, options=album.options | {"insisted_ids": [copy]})
    at_step(worker, 2, lambda: bench.change(AlbumPhoto, photos[0], include=False, status="left_out", code="excluded"))
    worker.loop.run_until_empty()
    rows = [bench.row(AlbumPhoto, photo) for photo in (*photos, copy)]
    assert [row.code for row in rows] == ["excluded", "", "", "", ""]
    assert rows[4].reason == "Kept because somebody asked for it."


def test_an_album_that_shall_not_be_tuned_on_is_only_looked_at(bench, worker):
    subject = bench.add_subject()
    photos = bench.add_album(subject, portraits(3))
    album = bench.add_tuning(subject, photos, tune=False)
    worker.loop.run_until_empty()
    assert bench.job(album).status == "succeeded"
    assert {bench.row(AlbumPhoto, photo).status for photo in photos} == {"kept"}
    assert bench.row(Subject, subject).default_checkpoint_id is None


def test_an_album_with_too_few_faces_fails_and_says_so_photo_by_photo(bench, worker):
    subject = bench.add_subject()
    photos = bench.add_album(subject, [*portraits(1), b"not a photo", b"neither"])
    album = bench.add_tuning(subject, photos)
    waiting = bench.add_restoration(crops(1)[0], checkpoint=album, waits=True)
    worker.loop.run_until_empty()
    assert (bench.job(album).status, bench.job(album).error["code"]) == ("failed", "album_too_small")
    assert [bench.row(AlbumPhoto, photo).status for photo in photos] == ["kept", "left_out", "left_out"]
    assert bench.row(Checkpoint, album.checkpoint_id).status == "failed"
    assert bench.job(waiting).error["code"] == "checkpoint_not_ready"


def test_another_checkpoint_does_not_become_the_default_where_there_is_one(bench, worker):
    subject = bench.add_subject()
    photos = bench.add_album(subject, portraits(3))
    first = bench.add_tuning(subject, photos, kind="checkpoint")
    second = bench.add_tuning(subject, photos, kind="checkpoint", seed=4)
    worker.loop.run_until_empty()
    assert bench.row(Checkpoint, second.checkpoint_id).status == "ready"
    assert bench.row(Subject, subject).default_checkpoint_id == first.checkpoint_id


def test_a_photo_is_restored_from_itself_alone_in_as_many_ways_as_wanted(bench, worker):
    job = bench.add_restoration(crops(1)[0], tiny_recipe("generative"), candidates=2, format="webp", native=True)
    worker.loop.run_until_empty()
    assert bench.job(job).status == "succeeded"
    rows = [bench.row(CandidateRow, (job.restoration_id, 0, number)) for number in range(2)]
    assert {(row.media_type, row.width, row.height) for row in rows} == {("image/webp", 16, 16)}
    assert rows[0].scores["identity_to_photo"] >= rows[1].scores["identity_to_photo"]
    assert not np.array_equal(image_of(bench, job), image_of(bench, job, 1))


def test_a_photo_without_a_face_succeeds_with_no_faces_and_a_warning(bench, worker):
    job = bench.add_restoration(encode(np.full((120, 120, 3), 90, np.uint8)), aligned=False)
    worker.loop.run_until_empty()
    ended = bench.job(job)
    assert (ended.status, ended.error) == ("succeeded", None)
    assert [warning["code"] for warning in ended.warnings] == ["no_face_detected"]
    assert bench.row(Restoration, job.restoration_id).faces == []


@pytest.mark.parametrize(
    ("photo", "code"), [(b"rubbish", "unsupported_format"), (crops(1)[0][:900], "image_unreadable")]
)
def test_a_photo_that_cannot_be_read_fails_at_once_with_its_code(bench, worker, photo, code):
    job = bench.add_restoration(photo)
    worker.loop.run_until_empty()
    ended = bench.job(job)
    assert (ended.status, ended.attempt, ended.error["code"]) == ("failed", 1, code)
    assert ended.error["advice"]


def test_a_restoration_whose_checkpoint_was_deleted_says_so(bench, worker):
    subject = bench.add_subject()
    album = bench.add_tuning(subject, bench.add_album(subject, portraits(3)))
    worker.loop.run_until_empty()
    bench.change(Checkpoint, album.checkpoint_id, status="failed")
    job = bench.add_restoration(crops(1)[0], checkpoint=album)
    worker.loop.run_until_empty()
    assert bench.job(job).error["code"] == "checkpoint_not_ready"


def test_bytes_that_are_gone_are_no_reason_to_try_again(bench, worker):
    job = bench.add_restoration(crops(1)[0])
    bench.store.delete(bench.keep(crops(1)[0]))
    worker.loop.run_until_empty()
    assert (bench.job(job).status, bench.job(job).error["code"]) == ("failed", "blob_missing")


def test_nothing_is_made_anew_of_a_subject_that_was_deleted_meanwhile(bench, worker):
    subject = bench.add_subject()
    album = bench.add_tuning(subject, bench.add_album(subject, portraits(3)))
    at_step(worker, 12, lambda: bench.change(Subject, subject, deleted_at=bench.job(album).created_at))
    worker.loop.run_until_empty()
    assert bench.job(album).status == "cancelled"
    assert bench.row(Checkpoint, album.checkpoint_id).blob_sha256 is None
    assert bench.outputs(album) == set()


def test_a_job_for_a_prior_that_is_not_here_is_left_to_others(bench, worker):
    bench.spec = bench.spec.model_copy(update={"sha256": "9" * 64})
    job = bench.add_restoration(crops(1)[0])
    worker.loop.run_until_empty()
    assert bench.job(job).status == "queued"
