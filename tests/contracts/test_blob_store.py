"""What every blob store must do, whatever it is made of."""

import hashlib
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.domain.errors import BlobDamagedError, BlobMissingError, StorageError
from core.storage.base import CHUNK_BYTES, BlobRef, read_blob, write_blob
from tests.contracts.stores import OTHER_OWNER, STORES, Backstage, BehindS3, backstage_of

OWNER = "own_local"
DAY = 86400.0


@pytest.fixture(params=STORES)
def behind(request, tmp_path):
    yield from backstage_of(request.param, request, tmp_path)


@pytest.fixture
def store(behind: Backstage):
    return behind.store


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 7])
def test_what_was_written_is_read_again_under_its_hash(store, size):
    data = random.Random(size).randbytes(size)
    ref = write_blob(store, OWNER, data)
    assert ref == BlobRef(OWNER, hashlib.sha256(data).hexdigest(), size)
    assert store.exists(ref)
    assert read_blob(store, ref) == data


def test_it_does_not_matter_in_what_pieces_it_came(store):
    data = random.Random(1).randbytes(2 * CHUNK_BYTES + 5)
    with store.writer(OWNER) as writer:
        for begin in range(0, len(data), 700_001):
            writer.write(data[begin : begin + 700_001])
        assert read_blob(store, writer.finish()) == data


def test_it_is_read_a_mebibyte_at_a_time(store):
    ref = write_blob(store, OWNER, bytes(2 * CHUNK_BYTES + 1))
    assert [len(part) for part in store.read(ref)] == [CHUNK_BYTES, CHUNK_BYTES, 1]


def test_the_same_bytes_twice_are_one_blob(behind):
    refs = {write_blob(behind.store, OWNER, b"the same") for _ in range(2)}
    assert list(behind.store.refs()) == list(refs)
    assert behind.leftovers() == 0


def test_the_same_bytes_of_two_owners_are_two_blobs(store):
    mine, theirs = write_blob(store, OWNER, b"the same"), write_blob(store, OTHER_OWNER, b"the same")
    assert set(store.refs()) == {mine, theirs}
    assert store.delete(mine)
    assert not store.exists(mine)
    assert read_blob(store, theirs) == b"the same"


def test_every_finished_blob_is_listed_with_its_size(store):
    written = {write_blob(store, OWNER, bytes([n]) * n) for n in range(20)}
    assert set(store.refs()) == written


def test_what_is_not_there_is_said_to_be_missing(store):
    ref = BlobRef(OWNER, "0" * 64, 1)
    assert not store.exists(ref)
    with pytest.raises(BlobMissingError, match="are not there") as caught:
        read_blob(store, ref)
    assert "Upload the file again" in caught.value.advice
    assert not store.delete(ref)


def test_every_flipped_bit_is_found_and_the_last_part_is_withheld(behind):
    generator = random.Random(7)
    data = generator.randbytes(CHUNK_BYTES + 1000)
    ref = write_blob(behind.store, OWNER, data)
    for _ in range(20):
        bit = generator.randrange(len(data) * 8)
        behind.flip(ref, bit)
        parts = behind.store.read(ref)
        assert len(next(parts)) == CHUNK_BYTES
        with pytest.raises(BlobDamagedError, match="damaged"):
            next(parts)
        behind.flip(ref, bit)
    assert read_blob(behind.store, ref) == data


def test_a_blob_that_lost_a_byte_is_damaged(behind):
    ref = write_blob(behind.store, OWNER, bytes(CHUNK_BYTES + 2))
    behind.shorten(ref)
    with pytest.raises(BlobDamagedError):
        read_blob(behind.store, ref)


def test_a_name_with_another_size_is_not_believed(store):
    ref = write_blob(store, OWNER, b"four")
    for size in (3, 5):
        with pytest.raises(BlobDamagedError):
            read_blob(store, BlobRef(OWNER, ref.sha256, size))


def test_writing_a_damaged_blob_s_bytes_again_repairs_it(behind):
    data = random.Random(3).randbytes(CHUNK_BYTES + 3)
    ref = write_blob(behind.store, OWNER, data)
    behind.flip(ref, 12345)
    assert write_blob(behind.store, OWNER, data) == ref
    assert read_blob(behind.store, ref) == data
    assert behind.leftovers() == 0


def test_of_a_writer_that_is_left_without_finish_nothing_stays(behind):
    with pytest.raises(ConnectionResetError):
        _write_until_the_client_is_gone(behind.store)
    with behind.store.writer(OWNER) as writer:
        writer.write(b"and then thought better of it")
    assert list(behind.store.refs()) == []
    assert behind.leftovers() == 0


def test_a_writer_that_has_ended_takes_nothing_more(store):
    with store.writer(OWNER) as writer:
        writer.finish()
        with pytest.raises(StorageError, match="has ended"):
            writer.write(b"more")
        with pytest.raises(StorageError, match="has ended"):
            writer.finish()


def test_what_a_killed_writer_left_is_swept_once_it_is_old(behind, request, tmp_path):
    if request.node.callspec.params["behind"] == "memory":
        pytest.skip("its memory goes with it")
    if isinstance(behind, BehindS3):
        pytest.skip("nothing is sent before it is finished: tests/unit/storage/test_s3_store.py")
    _write_and_be_killed(request, tmp_path)
    assert list(behind.store.refs()) == []
    assert behind.leftovers() > 0
    kept = write_blob(behind.store, OWNER, b"finished")
    assert behind.store.sweep_unfinished(DAY) == 0
    assert behind.store.sweep_unfinished(0) == 1
    assert behind.leftovers() == 0
    assert read_blob(behind.store, kept) == b"finished"


def test_writers_of_the_same_bytes_at_once_all_get_the_same_sound_blob(behind):
    data = random.Random(5).randbytes(CHUNK_BYTES + 11)
    refs: list[BlobRef] = []
    _together([lambda: refs.append(write_blob(behind.store, OWNER, data))] * 4)
    assert len(refs) == 4
    assert set(refs) == set(behind.store.refs())
    assert read_blob(behind.store, refs[0]) == data
    assert behind.leftovers() == 0


def test_only_what_was_not_written_for_so_long_is_deleted(behind):
    ref = write_blob(behind.store, OWNER, b"some bytes")
    assert not behind.store.delete(ref, unused_seconds=DAY)
    behind.age(ref, 2 * DAY)
    write_blob(behind.store, OWNER, b"some bytes")
    assert not behind.store.delete(ref, unused_seconds=DAY)
    behind.age(ref, 2 * DAY)
    assert behind.store.delete(ref, unused_seconds=DAY)
    assert not behind.store.exists(ref)
    assert behind.leftovers() == 0


def test_a_sweep_never_takes_what_a_writer_has_just_found(behind):
    data = b"found, or written anew"
    ref = write_blob(behind.store, OWNER, data)
    for _ in range(25):
        behind.age(ref, 2 * DAY)
        _together(
            [
                lambda: write_blob(behind.store, OWNER, data),
                lambda: behind.store.delete(ref, unused_seconds=DAY),
            ]
        )
        assert read_blob(behind.store, ref) == data


@pytest.mark.parametrize("owner_id", ["", "..", "own/../../x", "own_A", "a" * 33, "own_\x00"])
def test_what_is_no_owner_s_id_is_refused(store, owner_id):
    with pytest.raises(StorageError, match="no owner's id"):
        store.writer(owner_id)
    with pytest.raises(StorageError, match="no owner's id"):
        store.exists(BlobRef(owner_id, "0" * 64, 1))


@pytest.mark.parametrize("sha256", ["", "../" * 3, "A" * 64, "part-0"])
def test_what_is_no_hash_is_refused(store, sha256):
    ref = BlobRef(OWNER, sha256, 1)
    for call in (lambda: read_blob(store, ref), lambda: store.exists(ref), lambda: store.delete(ref)):
        with pytest.raises(StorageError, match="no blob's name"):
            call()


def _write_until_the_client_is_gone(store):
    with store.writer(OWNER) as writer:
        writer.write(bytes(2 * CHUNK_BYTES))
        raise ConnectionResetError


def _together(calls):
    """Run all at once; the first failure is the test's."""
    barrier = threading.Barrier(len(calls))
    failures: list[BaseException] = []

    def run(call):
        barrier.wait()
        try:
            call()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _write_and_be_killed(request, tmp_path: Path) -> None:
    """A process of its own that dies by SIGKILL with two mebibytes written and nothing finished."""
    name = request.node.callspec.params["behind"]
    url = "" if name == "files" else request.getfixturevalue(f"{name.removeprefix('chunks_on_')}_url")
    code = """
import os, signal, sys
from pathlib import Path
from core.db.session import Database
from core.storage.open import open_store
driver, home, url, owner = sys.argv[1:]
writer = open_store(driver, Path(home), Database(url or "sqlite://")).writer(owner)
writer.__enter__()
writer.write(bytes(2 * 2**20))
os.kill(os.getpid(), signal.SIGKILL)
"""
    driver = "fs" if name == "files" else "database"
    command = [sys.executable, "-c", code, driver, str(tmp_path), url, OWNER]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], env=os.environ, check=False)  # noqa: S603  # our own
    assert done.returncode == -9
