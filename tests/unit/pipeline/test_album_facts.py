from dataclasses import replace

import numpy as np
import pytest

from core.domain.errors import AlbumMixedIdentityError
from core.imaging.curate import AlbumCandidate, CandidateFace, decide, describe
from core.pipeline.album_facts import crop_of, pack_album, pack_photo, unpack_photo, unpack_report
from core.pipeline.artifacts import unpack
from core.pipeline.plan import plan
from core.pipeline.ports import MemoryStore, Ports
from core.pipeline.request import TuneRequest
from core.pipeline.run import run


def candidate(crops, label="a"):
    return AlbumCandidate(label, tuple(CandidateFace(crop) for crop in crops), crops[0] if crops else None)


def test_a_photo_s_measures_and_crops_come_back_as_they_were(crops):
    one = candidate(crops[:2])
    data = pack_photo(one, 16, person=True)
    facts, again = describe(one), unpack_photo(data, "b", wanted=True)
    assert (again.label, again.wanted, again.thumbnail) == ("b", True, facts.thumbnail)
    for before, after in zip(facts.faces, again.faces, strict=True):
        for name in ("vector", "bits", "mirrored_bits"):
            assert np.array_equal(getattr(before, name), getattr(after, name))
        blank = {"vector": None, "bits": None, "mirrored_bits": None}
        assert replace(before, **blank).__dict__ == replace(after, **blank).__dict__
    assert crop_of(data, 1).shape == (16, 16, 3)


def test_a_photo_without_a_face_has_measures_all_the_same():
    picture = np.zeros((20, 30, 3), np.uint8)
    facts = unpack_photo(pack_photo(AlbumCandidate("a", (), picture), 16, person=True), "a", wanted=False)
    assert facts.faces == ()
    assert facts.thumbnail


def test_a_report_comes_back_with_thumbnails_and_embeddings(crops):
    report = decide([describe(candidate([crop], str(n))) for n, crop in enumerate(crops[:4])], 16)
    again = unpack_report(pack_album(report, [crops[0]], []))
    assert again == report
    assert all(len(photo.embedding) == 512 for photo in again.photos)


def tuned(photos, recipe, prior, **options):
    ports = Ports(store=MemoryStore())
    request = TuneRequest(tuple(photos), **options)
    calls = plan(request, recipe("personal"), prior.spec)
    made = run(calls, request, recipe("personal"), prior, ports)
    return made, unpack(ports.store.get("curate", "subject", calls[-2].hashes[0]))[0]


def test_the_order_in_which_photos_were_sent_changes_nothing_that_is_tuned_on(aligned, prior, recipe):
    _, first = tuned(aligned, recipe, prior)
    _, other = tuned(aligned[::-1], recipe, prior)
    assert np.array_equal(first["anchors"], other["anchors"])


def test_a_photo_that_is_insisted_on_is_kept_beside_its_copy(aligned, prior, recipe):
    copy = replace(aligned[0], label="copy", data=aligned[0].data + b" ")
    alone, _ = tuned((*aligned, copy), recipe, prior)
    insisted, _ = tuned((*aligned, replace(copy, wanted=True)), recipe, prior)
    assert [photo.kept for photo in alone.album.photos[::6]] == [True, False]
    assert insisted.album.photos[6].kept
    assert alone.checkpoint != insisted.checkpoint


def test_an_album_of_nobody_stops_with_its_report(aligned, prior, recipe, monkeypatch):
    people = iter(np.eye(128))
    monkeypatch.setattr("core.imaging.curate.facts.embed_aligned", lambda _: next(people))
    with pytest.raises(AlbumMixedIdentityError) as caught:
        tuned(aligned, recipe, prior)
    assert [photo.code for photo in caught.value.report.photos] == ["album_mixed_identity"] * 6


def test_an_animal_s_album_is_looked_at_without_knowing_anybody(aligned, prior, recipe):
    made, _ = tuned(aligned, recipe, prior, category="cat")
    assert {photo.embedding for photo in made.album.photos} == {b""}
    assert {photo.view for photo in made.album.photos} == {""}
