import pytest

from core.db.tables import AlbumPhoto, CandidateRow, Checkpoint, Restoration, Subject
from tests.benches import crops, portraits, tiny_recipe


def test_an_album_becomes_a_checkpoint_and_photos_are_restored_with_it(bench, worker):
    subject = bench.add_subject()
    photos = bench.add_album(subject, portraits(4))
    album = bench.add_tuning(subject, photos)
    first = bench.add_restoration(portraits(1)[0], checkpoint=album, aligned=False, waits=True)
    worker.loop.run_until_empty()
    assert bench.job(album).status == "succeeded", bench.job(album).error
    assert bench.row(Checkpoint, album.checkpoint_id).status == "ready"
    assert bench.row(Subject, subject).default_checkpoint_id == album.checkpoint_id
    assert {bench.row(AlbumPhoto, photo).status for photo in photos} == {"kept"}
    assert bench.job(first).status == "succeeded", bench.job(first).error
    (face,) = bench.row(Restoration, first.restoration_id).faces
    assert len(face["quad"]) == 4
    assert bench.row(CandidateRow, (first.restoration_id, 0, 0)).media_type == "image/png"
    assert bench.outputs(album) == bench.outputs(first) == set()
