import os
import time

import numpy as np
import pytest

from core.domain.errors import AlreadyRunningError, OutputUnwritableError
from core.pipeline.artifacts import pack, unpack
from core.pipeline.folder_store import LOCK_FILE, FolderStore, delete_stale
from core.pipeline.ports import MemoryStore


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    return FolderStore(tmp_path / "work") if request.param == "folder" else MemoryStore()


def test_what_was_put_comes_back_under_the_same_three_and_no_other(store):
    store.put("album", "photo-0", "h1", b"data")
    assert store.get("album", "photo-0", "h1") == b"data"
    assert store.get("album", "photo-0", "h2") is None
    assert store.get("album", "photo-1", "h1") is None
    assert store.get("restore", "photo-0", "h1") is None


def test_the_last_value_counts(store):
    store.put("resume", "a", "h", b"one")
    store.put("resume", "a", "h", b"two")
    assert store.get("resume", "a", "h") == b"two"


def test_what_was_discarded_is_gone_and_the_rest_stays(store):
    store.put("album", "a", "h", b"one")
    store.put("album", "b", "h", b"two")
    store.discard("album", "a", "h")
    store.discard("album", "never put", "h")
    assert store.get("album", "a", "h") is None
    assert store.get("album", "b", "h") == b"two"


def test_a_folder_that_cannot_be_made_says_what_to_set(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputUnwritableError, match=r"cannot be made: Not a directory\. Set HEIRLOOM_HOME"):
        FolderStore(tmp_path / "file" / "work")


def test_a_folder_that_cannot_be_locked_says_what_to_set(tmp_path):
    store = FolderStore(tmp_path / "work")
    (store.folder / LOCK_FILE).mkdir()
    with (
        pytest.raises(OutputUnwritableError, match=r"cannot be used: Is a directory\. Set HEIRLOOM_HOME"),
        store.locked(),
    ):
        pass


def test_two_at_once_do_not_share_a_folder_and_the_next_one_has_it(tmp_path):
    one, two = FolderStore(tmp_path / "work"), FolderStore(tmp_path / "work")
    with one.locked():
        one.put("a", "b", "c", b"d")
        with pytest.raises(AlreadyRunningError, match=r"running already\. Wait until it has ended"), two.locked():
            pass
        assert one.get("a", "b", "c") == b"d"
    with two.locked():
        assert two.get("a", "b", "c") == b"d"


def test_a_folder_that_its_last_owner_deleted_is_made_anew(tmp_path):
    one, two = FolderStore(tmp_path / "work"), FolderStore(tmp_path / "work")
    with one.locked():
        one.delete()
    with two.locked():
        two.put("a", "b", "c", b"d")
        with pytest.raises(AlreadyRunningError), FolderStore(tmp_path / "work").locked():
            pass
    assert two.folder.stat().st_mode & 0o077 == 0


def test_a_flipped_bit_reads_as_absent(tmp_path):
    store = FolderStore(tmp_path / "work")
    store.put("album", "a", "h", b"data")
    (file,) = store.folder.iterdir()
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert store.get("album", "a", "h") is None


def test_nobody_else_may_read_the_folder(tmp_path):
    store = FolderStore(tmp_path / "work")
    assert store.folder.stat().st_mode & 0o077 == 0


def test_stale_runs_are_deleted_and_fresh_ones_kept(tmp_path):
    old, fresh = FolderStore(tmp_path / "old"), FolderStore(tmp_path / "fresh")
    for store in (old, fresh):
        store.put("a", "b", "c", b"d")
    os.utime(old.folder, (time.time() - 1_000,) * 2)
    assert delete_stale(tmp_path, 500) == 1
    assert [folder.name for folder in tmp_path.iterdir()] == ["fresh"]
    assert delete_stale(tmp_path / "absent", 1) == 0
    (tmp_path / "file").write_text("")
    assert delete_stale(tmp_path / "file", 1) == 0


def test_arrays_and_values_survive_packing():
    arrays = {"x": np.arange(6, dtype=np.float32).reshape(2, 3).T, "y": np.zeros((2, 2, 3), np.uint8)}
    back, values = unpack(pack(arrays, {"remaining": 7, "why": "ü"}))
    assert values == {"remaining": 7, "why": "ü"}
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert np.array_equal(back[name], array)
        assert back[name].dtype == array.dtype
