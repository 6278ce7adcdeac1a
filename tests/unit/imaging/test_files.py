import errno
import os

import pytest

from core.domain.errors import DiskFullError, OutputUnwritableError
from core.imaging.files import check_writable, make_folder, write_atomically


def test_a_file_is_written_whole_and_nothing_else_is_left(tmp_path):
    target = tmp_path / "result.png"
    write_atomically(target, b"first")
    write_atomically(target, b"second")
    assert target.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [target]


def test_a_missing_folder_is_named_with_what_to_do(tmp_path):
    with pytest.raises(OutputUnwritableError, match=r"does not exist\. Make it"):
        write_atomically(tmp_path / "absent" / "result.png", b"x")


def test_a_folder_in_the_target_s_place_is_refused_and_survives(tmp_path):
    (tmp_path / "result.png").mkdir()
    with pytest.raises(OutputUnwritableError):
        write_atomically(tmp_path / "result.png", b"x")
    with pytest.raises(OutputUnwritableError, match="is a folder"):
        check_writable(tmp_path / "result.png")
    assert [path.name for path in tmp_path.iterdir()] == ["result.png"]


def test_a_full_disk_leaves_the_old_file_and_no_half_of_the_new(tmp_path, monkeypatch):
    target = tmp_path / "result.png"
    target.write_bytes(b"old")

    def full(_handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError, match="Free some space"):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_checking_leaves_nothing_behind(tmp_path):
    check_writable(tmp_path / "result.png")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_made_with_those_above_it_and_one_that_is_there_is_kept(tmp_path):
    make_folder(tmp_path / "a" / "b")
    (tmp_path / "a" / "b" / "result.png").write_bytes(b"x")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b" / "result.png").read_bytes() == b"x"


def test_a_folder_that_cannot_be_made_is_named_with_the_advice_given(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputUnwritableError, match=r"file cannot be made: File exists\. Choose another with -o\."):
        make_folder(tmp_path / "file")
    with pytest.raises(OutputUnwritableError, match=r"cannot be made: Not a directory\. Set HOME\."):
        make_folder(tmp_path / "file" / "below", "Set HOME.")


def test_a_disk_too_full_for_a_folder_is_said_as_such(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "mkdir", full)
    with pytest.raises(DiskFullError, match="Free some space"):
        make_folder(tmp_path / "out")
