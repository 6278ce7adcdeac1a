import pytest

from cli import requests, restore
from cli.progress import StageBars
from cli.requests import ports_for
from core.domain.errors import (
    AlbumTooSmallError,
    CancelledError,
    CheckpointUnreadableError,
    DiskFullError,
    OutOfMemoryError,
    OutputUnwritableError,
)
from core.pipeline.folder_store import FolderStore
from core.pipeline.plan import StageCall


@pytest.fixture
def calls():
    """A plan as far as its work folder needs one."""
    return (StageCall("align", ("photo-0",), ("0" * 64,)),)


def break_off(calls, kind):
    with ports_for(calls, quiet=True) as ports:
        ports.store.put("finetune", "subject", "h", b"made so far")
        raise kind("It broke.")


def test_a_run_that_failed_for_good_leaves_no_faces(heirloom, pictures, home, tmp_path):
    album = tmp_path / "album"
    album.mkdir()
    for i, name in enumerate(("face0.png", "wall.png", "wall.png")):
        (album / f"{i}.png").write_bytes((pictures / name).read_bytes())
    code, _, err = heirloom("tune", album, "-o", tmp_path / "a.safetensors", "--aligned")
    assert code == 3
    assert "No person is in more than half of the photos" in " ".join(err.split())
    assert list((home / "work").iterdir()) == []


@pytest.mark.parametrize("kind", [AlbumTooSmallError, CheckpointUnreadableError])
def test_the_work_folder_is_deleted_where_going_on_cannot_help(calls, home, kind):
    with pytest.raises(kind):
        break_off(calls, kind)
    assert list((home / "work").iterdir()) == []


@pytest.mark.parametrize("kind", [CancelledError, DiskFullError, OutOfMemoryError, OutputUnwritableError])
def test_the_work_folder_is_kept_where_the_same_command_can_go_on(calls, kind):
    with pytest.raises(kind):
        break_off(calls, kind)
    with ports_for(calls, quiet=True) as ports:
        assert ports.store.get("finetune", "subject", "h") == b"made so far"


def test_a_damaged_output_costs_its_own_stage_and_not_the_others(heirloom, pictures, home, tmp_path, monkeypatch):
    told = []
    real = StageBars.report

    def damaging_once(bars, stage, item, done, total):
        if (stage, done) == ("restore", total) and not any(report[0] == "restore" for report in told):
            for path in (home / "work").glob("*/align-*"):
                path.write_bytes(path.read_bytes()[:-1])
        if done == total:
            told.append((stage, total))
        real(bars, stage, item, done, total)

    monkeypatch.setattr(StageBars, "report", damaging_once)
    command = ("restore", pictures / "face0.png", "--aligned", "--mode", "direct", "-o", tmp_path / "a.png")
    code, _, err = heirloom(*command)
    assert code == 5
    assert "The stored output of the stage align is damaged. Run the same command again." in err
    assert list((home / "work").glob("*/restore-*"))
    code, _, err = heirloom(*command)
    assert code == 0, err
    (_, first), (_, again) = [report for report in told if report[0] == "restore"]
    assert (first > 1, again) == (True, 1)  # what the store holds is told as one step
    assert list((home / "work").iterdir()) == []


def test_the_same_command_at_once_says_so_and_does_no_harm(heirloom, album, tmp_path, monkeypatch, home):
    folders = []
    real = requests.work_folder
    monkeypatch.setattr(requests, "work_folder", lambda calls: folders.append(real(calls)) or folders[-1])
    target = tmp_path / "a.safetensors"
    assert heirloom("tune", album, "-o", target, "--aligned")[0] == 0
    with FolderStore(folders[0]).locked() as store:  # what the first of two would hold
        store.put("finetune", "subject", "h", b"half done")
        code, _, err = heirloom("tune", album, "-o", target, "--aligned")
        assert code == 1
        assert "The same command is running already. Wait until it has ended, or stop it" in err
        assert store.get("finetune", "subject", "h") == b"half done"
    assert heirloom("tune", album, "-o", target, "--aligned")[0] == 0


@pytest.mark.parametrize("command", ["restore", "tune"])
def test_a_home_that_cannot_be_used_says_what_to_set(heirloom, pictures, album, home, tmp_path, monkeypatch, command):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HEIRLOOM_HOME", str(tmp_path / "file"))
    what = {"restore": (pictures / "face0.png", "-o", tmp_path / "a.png", "--mode", "direct")}
    what["tune"] = (album, "-o", tmp_path / "a.safetensors")
    code, out, err = heirloom(command, *what[command], "--aligned")
    assert (code, out) == (6, "")
    assert "cannot be made: Not a directory. Set HEIRLOOM_HOME to a folder that you may write to." in err


def test_a_face_s_album_and_checkpoint_are_gone_before_its_photo_is_written(
    heirloom, pictures, home, tmp_path, monkeypatch
):
    seen = []
    real = restore.write_result

    def looking(*arguments):
        seen.append({path.name.partition("-")[0] for path in (home / "work").glob("*/*-*")})
        return real(*arguments)

    monkeypatch.setattr(restore, "write_result", looking)
    photos = [pictures / f"face{i}.png" for i in range(3)]
    code, _, err = heirloom("restore", *photos, "--aligned", "-o", tmp_path / "out")
    assert code == 0, err
    assert len(seen) == 3
    for stages in seen:
        assert "composite" in stages  # it is the right folder, and the photo could be made from it again
        assert not stages & {"album", "finetune"}
