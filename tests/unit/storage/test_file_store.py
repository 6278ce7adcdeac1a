"""What is the file store's alone: its files' modes, how they become durable, and what a full disk says."""

import errno
import os
import threading
from pathlib import Path

import pytest

from core.domain.errors import BlobMissingError, DiskFullError, StorageError
from core.storage.base import BlobRef, read_blob, write_blob
from core.storage.fs import FileStore

OWNER = "own_local"


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path / "blobs")


def test_folders_and_files_are_for_this_user_only(store, tmp_path):
    ref = write_blob(store, OWNER, b"private")
    file = tmp_path / "blobs" / OWNER / ref.sha256
    modes = {path: path.stat().st_mode & 0o777 for path in (file.parent.parent, file.parent, file)}
    assert list(modes.values()) == [0o700, 0o700, 0o600]


def test_a_blob_is_flushed_before_it_has_its_name_and_its_folder_after(store, tmp_path, monkeypatch):
    write_blob(store, OWNER, b"the folder is there")
    seen: list[str] = []
    sync, replace = os.fsync, Path.replace

    def fsync(handle):
        seen.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")  # noqa: PTH112  # no file of ours
        sync(handle)

    def rename(path, target):
        assert path.parent == target.parent
        seen.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", rename)
    write_blob(store, OWNER, b"data")
    assert seen == ["file", "rename", "folder"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_as_such_and_leaves_nothing(store, tmp_path, monkeypatch, number):
    def full(_handle):
        raise OSError(number, os.strerror(number))

    store.writer(OWNER).__enter__().__exit__(None, None, None)  # the folders, which are flushed, too
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError, match="No space is left") as caught:
        write_blob(store, OWNER, b"too much")
    assert caught.value.advice
    assert list((tmp_path / "blobs" / OWNER).iterdir()) == []


def test_another_fault_of_the_disk_is_told_with_its_reason(store, monkeypatch):
    def broken(_handle):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    store.writer(OWNER).__enter__().__exit__(None, None, None)
    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(StorageError, match="cannot be written: Input/output error"):
        write_blob(store, OWNER, b"x")


def test_a_place_that_is_no_folder_is_told(tmp_path):
    (tmp_path / "blobs").write_text("a file")
    with pytest.raises(StorageError, match="cannot be written"):
        write_blob(FileStore(tmp_path / "blobs"), OWNER, b"x")


def test_a_writer_that_finds_a_blob_waits_for_the_sweep_that_is_removing_it(store, monkeypatch):
    data = b"removed, and needed again"
    ref = write_blob(store, OWNER, data)
    unlink = Path.unlink
    writers: list[threading.Thread] = []

    def slowly(path, missing_ok=False):
        if path.name == ref.sha256 and not writers:
            writers.append(threading.Thread(target=write_blob, args=(store, OWNER, data)))
            writers[0].start()
            writers[0].join(0.3)  # without the lock it would find the blob, and be done
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", slowly)
    assert store.delete(ref)
    writers[0].join()
    assert read_blob(store, ref) == data


def test_a_store_without_its_folder_is_empty(store):
    ref = BlobRef(OWNER, "0" * 64, 1)
    assert list(store.refs()) == []
    assert store.sweep_unfinished(0) == 0
    assert not store.exists(ref)
    assert not store.delete(ref)
    with pytest.raises(BlobMissingError):
        read_blob(store, ref)


def test_files_that_are_no_blobs_are_not_listed(store, tmp_path):
    ref = write_blob(store, OWNER, b"one")
    (tmp_path / "blobs" / "README").write_text("not ours")
    (tmp_path / "blobs" / OWNER / "notes.txt").write_text("not ours")
    assert list(store.refs()) == [ref]
    assert store.sweep_unfinished(0) == 0
