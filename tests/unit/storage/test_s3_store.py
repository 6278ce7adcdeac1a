"""What an object storage does to a blob store: it fails, it refuses, it is slow; nothing half-written stays."""

import os
import random
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from core.db.tables import Blob
from core.domain.errors import BlobDamagedError, SettingsError, StorageError
from core.services.sweep import sweep
from core.storage import s3_objects
from core.storage.base import BlobRef, read_blob, write_blob
from core.storage.open import open_store
from core.storage.s3 import S3Store
from core.storage.s3_objects import Objects
from core.storage.s3_place import S3Place
from tests.s3_server import BUCKET, KEY_ID, SECRET, serving_s3

OWNER = "own_local"
PIECE = 1000


@pytest.fixture
def server():
    with serving_s3() as running:
        yield running


@pytest.fixture
def store(server, sqlite_database, tmp_path, monkeypatch):
    monkeypatch.setattr("core.storage.s3.PIECE_BYTES", PIECE)
    return S3Store(server.place(), tmp_path, sqlite_database)


def impatient(store, server, seconds=1.0, retry_seconds=0.0):
    store.objects = Objects(server.place(), seconds=seconds, retry_seconds=retry_seconds)
    return store


def test_a_blob_is_cut_into_pieces_and_the_first_is_sent_last(store, server):
    data = random.Random(1).randbytes(3 * PIECE + 1)
    ref = write_blob(store, OWNER, data)
    puts = [line.rpartition("/")[2] for line in server.asked if line.startswith("PUT")]
    assert puts == ["000003", "000002", "000001", "000000"]
    assert read_blob(store, ref) == data
    assert list(store.refs()) == [ref]


def test_listings_of_many_pages_are_read_to_their_end(store, server):
    server.page = 2
    written = {write_blob(store, OWNER, bytes([n]) * (PIECE + n)) for n in range(5)}
    assert set(store.refs()) == written


@pytest.mark.parametrize("fault", [500, 503, "reset"])
def test_what_fails_for_a_moment_is_tried_again(store, server, fault):
    server.faults = [fault, fault]
    ref = write_blob(store, OWNER, b"some bytes")
    server.faults = [fault]
    assert read_blob(store, ref) == b"some bytes"
    server.faults = [fault]
    assert list(store.refs()) == [ref]


def test_one_that_answers_too_late_is_asked_again(store, server):
    ref = write_blob(store, OWNER, b"some bytes")
    server.faults, server.slow_seconds = ["slow"], 1.0
    assert read_blob(impatient(store, server, seconds=0.3, retry_seconds=5), ref) == b"some bytes"


@pytest.mark.parametrize(
    ("fault", "said"), [(500, "does not answer"), ("reset", "does not answer"), (403, "refuses our keys")]
)
def test_what_goes_on_failing_is_a_clear_error_without_secrets(store, server, fault, said):
    ref = write_blob(store, OWNER, b"some bytes")
    server.always = fault
    impatient(store, server)
    calls = (
        lambda: write_blob(store, OWNER, b"others"),
        lambda: read_blob(store, ref),
        lambda: store.exists(ref),
        lambda: list(store.refs()),
        lambda: store.delete(ref),
    )
    for call in calls:
        with pytest.raises(StorageError, match=said) as caught:
            call()
        told = f"{caught.value!r} {caught.value} {caught.value.__cause__}"
        assert not any(word in told for word in (KEY_ID, SECRET, server.url, BUCKET))
        assert caught.value.__suppress_context__
    server.always = None
    assert read_blob(store, ref) == b"some bytes"


def test_keys_are_not_shown_by_what_holds_them(server):
    assert SECRET not in repr(server.place())
    assert KEY_ID not in repr(server.place())


def test_a_wrong_secret_is_refused_by_the_server(server, sqlite_database, tmp_path):
    place = S3Place(BUCKET, server.url, "eu-test-1", access_key_id=KEY_ID, secret_access_key=SECRET[::-1])
    with pytest.raises(StorageError, match="refuses our keys"):
        write_blob(S3Store(place, tmp_path, sqlite_database), OWNER, b"x")


def test_a_bucket_that_is_not_there_is_not_a_missing_blob(server, sqlite_database, tmp_path):
    place = S3Place("another", server.url, "eu-test-1", access_key_id=KEY_ID, secret_access_key=SECRET)
    store = S3Store(place, tmp_path, sqlite_database)
    for call in (lambda: read_blob(store, BlobRef(OWNER, "0" * 64, 1)), lambda: write_blob(store, OWNER, b"x")):
        with pytest.raises(StorageError, match="no such bucket"):
            call()


def test_of_an_upload_that_fails_in_the_middle_no_blob_is_seen_and_the_rest_is_swept(store, server):
    data = random.Random(2).randbytes(4 * PIECE)
    server.faults = [404, *["ok"] * 2]  # the look whether it is there; two pieces
    server.always = 500
    with pytest.raises(StorageError):
        write_blob(impatient(store, server), OWNER, data)
    server.always = None
    assert list(store.refs()) == []
    assert len(server.objects) == 2
    assert store.sweep_unfinished(86_400) == 0
    for piece in server.objects.values():
        piece.written_at -= timedelta(days=2)
    assert store.sweep_unfinished(86_400) == 0  # the ledger knows that somebody began to write it
    with store.database.write() as session:
        for row in session.query(Blob):
            row.renewed_at -= timedelta(days=2)
    sweep(store.database, store)
    sweep(store.database, store)
    assert server.objects == {}
    ref = write_blob(store, OWNER, data)
    assert read_blob(store, ref) == data


def test_a_writer_that_comes_while_waste_is_removed_keeps_its_pieces(store, server, monkeypatch):
    """Between listing old pieces and removing them somebody stores the same blob."""
    data = random.Random(3).randbytes(2 * PIECE)
    ref = write_blob(store, OWNER, data)
    with store.database.write() as session:
        session.delete(session.get_one(Blob, (OWNER, ref.sha256)))
    del server.objects[f"{OWNER}/{ref.sha256}/000000"]
    listed = Objects.pieces

    def listed_then_written(self, *name):
        found = list(listed(self, *name))
        monkeypatch.setattr(Objects, "pieces", listed)
        write_blob(store, OWNER, data)
        yield from found

    monkeypatch.setattr(Objects, "pieces", listed_then_written)
    store.sweep_unfinished(0)
    assert read_blob(store, ref) == data


def test_a_lost_piece_in_the_middle_is_damage(store, server):
    ref = write_blob(store, OWNER, random.Random(4).randbytes(3 * PIECE))
    del server.objects[f"{OWNER}/{ref.sha256}/000001"]
    with pytest.raises(BlobDamagedError):
        read_blob(store, ref)


def test_a_writer_that_is_killed_leaves_nothing_anywhere(server, sqlite_url, tmp_path):
    code = f"""
import os, signal, sys
from pathlib import Path
from core.db.session import Database
from core.storage.open import open_store
from core.storage.s3_place import S3Place
place = S3Place({BUCKET!r}, {server.url!r}, "eu-test-1", access_key_id={KEY_ID!r}, secret_access_key={SECRET!r})
writer = open_store("s3", Path(sys.argv[1]), Database(sys.argv[2]), place).writer("own_local")
writer.__enter__()
writer.write(bytes(3 * 2**20))
os.kill(os.getpid(), signal.SIGKILL)
"""
    command = [sys.executable, "-c", code, str(tmp_path), sqlite_url]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], env=os.environ, check=False)  # noqa: S603  # our own
    assert done.returncode == -signal.SIGKILL
    assert list((tmp_path / "spool").iterdir()) == []
    assert server.objects == {}


def test_what_somebody_else_keeps_in_the_bucket_is_left_alone(store, server):
    Objects(server.place("logs/"), seconds=3, retry_seconds=0).put("a", "b", 0, b"x")
    ref = write_blob(store, OWNER, b"ours")
    assert set(store.refs()) == {ref}
    assert store.sweep_unfinished(0) == 0
    assert len(server.objects) == 2


def test_without_the_package_the_start_says_what_to_install(monkeypatch, server, sqlite_database, tmp_path):
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(SettingsError, match="not installed"):
        open_store("s3", tmp_path, sqlite_database, server.place())


def test_pieces_keep_their_size_for_ever():
    """What is stored was cut so."""
    assert s3_objects.PIECE_BYTES == 8 * 2**20
