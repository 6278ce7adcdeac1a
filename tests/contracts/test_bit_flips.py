"""Damaged bits are found by every store, and nothing damaged is used or handed out: a slice of `tests.corpus.flips`."""

import random

import pytest

from tests.corpus.flipped import KINDS, filled
from tests.corpus.flips import flips
from tests.s3_server import serving_s3


def wrong(worlds, count):
    done = list(flips(worlds, count, random.Random(1)))
    assert {flip.kind for flip in done} == set(KINDS)
    return [flip for flip in done if flip.wrong]


@pytest.mark.parametrize("driver", ["files", "chunks"])
def test_every_flipped_bit_is_found_and_served_or_loaded_nowhere(driver, tmp_path):
    with filled(driver, tmp_path / "world") as world:
        assert wrong({driver: world}, 2 * len(KINDS)) == []


def test_in_an_object_storage_too(tmp_path):
    with serving_s3() as server, filled("s3", tmp_path / "world", server=server) as world:
        assert wrong({"s3": world}, len(KINDS)) == []


def test_a_store_that_looked_at_nothing_would_be_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr("core.storage.fs.verified", lambda _, parts: iter(parts))
    with filled("files", tmp_path / "world") as world:
        assert {flip.wrong for flip in wrong({"files": world}, len(KINDS))} == {"the store hands it out"}
