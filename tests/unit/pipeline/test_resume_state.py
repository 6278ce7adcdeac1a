"""Two states of a tuning are kept: where the last is damaged, the one before it is taken up."""

import pytest

from core.pipeline.folder_store import FolderStore
from core.pipeline.ports import MemoryStore
from core.pipeline.resume_state import ResumeState

KEY = "c" * 64


def states(store, *, two=True):
    return ResumeState(store, "resume-finetune", "subject+1", KEY, two)


def test_the_last_one_saved_is_loaded_by_whoever_comes_next():
    store = MemoryStore()
    assert states(store).load() is None
    state = states(store)
    for number in range(1, 6):
        state.save(b"state %d" % number)
        assert states(store).load() == b"state %d" % number


@pytest.mark.parametrize("saved", [2, 3, 4, 5])
def test_where_the_last_is_damaged_the_one_before_it_is_loaded(tmp_path, saved):
    store = FolderStore(tmp_path)
    state = states(store)
    for number in range(1, saved + 1):
        state.save(b"state %d" % number)
    last, before = b"state %d" % saved, b"state %d" % (saved - 1)
    (file,) = (path for path in tmp_path.glob("resume-finetune-*") if path.read_bytes().endswith(last))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    resumed = states(store)
    assert resumed.load() == before
    resumed.save(b"after it")  # in the damaged one's place
    assert {path.read_bytes()[32:] for path in tmp_path.glob("resume-finetune-*")} == {before, b"after it"}
    for path in tmp_path.glob("resume-finetune-*"):
        path.write_bytes(b"damaged")
    assert states(store).load() is None


def test_a_save_that_is_cut_off_between_its_two_steps_costs_one_interval(monkeypatch):
    store = MemoryStore()
    state = states(store)
    state.save(b"one")
    state.save(b"two")
    put = store.put

    def dying(stage, *rest):
        if stage == "resume-newest":
            raise KeyboardInterrupt
        put(stage, *rest)

    monkeypatch.setattr(store, "put", dying)
    with pytest.raises(KeyboardInterrupt):
        state.save(b"three")
    monkeypatch.undo()
    assert states(store).load() == b"two"
    resumed = states(store)
    assert resumed.load() == b"two"
    resumed.save(b"three again")
    assert states(store).load() == b"three again"


def test_without_the_note_which_is_newest_one_of_them_is_loaded():
    store = MemoryStore()
    state = states(store)
    for data in (b"one", b"two"):
        state.save(data)
    store.discard("resume-newest", "subject+1", KEY)
    assert states(store).load() == b"one"


@pytest.mark.parametrize("two", [True, False])
def test_nothing_stays_once_they_are_discarded(two):
    store = MemoryStore()
    state = states(store, two=two)
    for data in (b"one", b"two", b"three"):
        state.save(data)
    assert len(store.kept) == (3 if two else 1)
    states(store, two=two).discard()
    assert store.kept == {}


def test_what_an_earlier_version_saved_is_loaded():
    store = MemoryStore()
    store.put("resume-finetune", "subject+1", KEY, b"of an earlier version")
    assert states(store).load() == b"of an earlier version"
