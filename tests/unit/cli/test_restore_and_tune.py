import errno
import json
import os
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from cli.progress import StageBars
from core.imaging.intake import decode_photo
from core.pipeline.artifacts import unpack
from core.priors.spec import LinearScheduleSpec
from core.recipes import presets
from tests.unit.cli.conftest import save_prior

PUBLISHED_PRESETS = presets.PRESETS
ITERATIONS = 200
HASH_BYTES = 32
SAVING_AT_EVERY_ITERATION = """
from cli.main import main
from core.pipeline.finetune import finetune
finetune.__kwdefaults__["save_every_seconds"] = 0.0
main()
"""


def leftovers(folder):
    return [path.name for path in folder.rglob("*") if path.name.startswith(".heirloom")]


def test_a_photo_is_written_whole_with_its_face_restored_and_the_run_leaves_nothing_else(
    heirloom, pictures, tmp_path, home
):
    code, _, err = heirloom("restore", pictures / "portrait.jpg", "-o", tmp_path / "restored.png", "--mode", "direct")
    assert code == 0, err
    before = decode_photo((pictures / "portrait.jpg").read_bytes())
    after = decode_photo((tmp_path / "restored.png").read_bytes())
    changed = np.argwhere((before != after).any(axis=2))
    assert after.shape == before.shape == (512, 512, 3)
    assert len(changed) > 1_000
    assert (changed.min(axis=0) > [10, 120]).all()
    assert (changed.max(axis=0) < [260, 320]).all()
    assert list((home / "work").iterdir()) == []


def test_tune_once_and_restore_many_with_the_checkpoint(heirloom, pictures, tmp_path):
    album = tmp_path / "album.zip"
    with zipfile.ZipFile(album, "w") as archive:
        for i in range(5):
            archive.write(pictures / f"face{i}.png", f"face{i}.png")
    checkpoint = tmp_path / "alice.safetensors"
    code, out, err = heirloom("tune", album, "-o", checkpoint, "--aligned", "--json")
    assert code == 0, err
    assert json.loads(out)["kept"] == 5
    photos = [pictures / f"face{i}.png" for i in range(2)]
    code, out, err = heirloom(
        "restore", *photos, "--aligned", "--checkpoint", checkpoint, "-o", tmp_path / "out", "--json"
    )
    assert code == 0, err
    assert [entry["outputs"][0]["path"] for entry in json.loads(out)["photos"]] == [
        str(tmp_path / "out" / f"face{i}.png") for i in range(2)
    ]


def test_the_default_mode_is_generative_and_the_report_names_recipe_prior_and_seed(heirloom, pictures, tmp_path):
    target = tmp_path / "a.webp"
    code, out, err = heirloom("restore", pictures / "face0.png", "--aligned", "-o", target, "--json", "--seed", 5)
    assert code == 0, err
    report = json.loads(out)
    assert report["recipe"]["name"] == "quick-generative"
    assert report["seed"] == 5
    assert len(report["prior_sha256"]) == 64
    assert target.read_bytes()[8:12] == b"WEBP"


def test_candidates_are_numbered(heirloom, pictures, tmp_path):
    heirloom(
        "restore", pictures / "face0.png", "--aligned", "--mode", "direct", "-o", tmp_path / "a.png", "--candidates", 3
    )
    assert sorted(path.name for path in tmp_path.glob("a-*.png")) == ["a-1.png", "a-2.png", "a-3.png"]


def test_a_bad_photo_among_good_ones_is_reported_and_the_others_are_restored(heirloom, pictures, tmp_path):
    names = ["face0.png", "wall.png", "broken.jpg"]
    code, _, err = heirloom("restore", *(pictures / name for name in names), "--mode", "direct", "-o", tmp_path / "out")
    assert code == 3
    assert "wall.png: No face was found" in err
    assert "broken.jpg: The photo is damaged" in err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["face0.png"]


def test_a_folder_s_photos_are_restored_into_another(heirloom, pictures, tmp_path):
    for name in ("broken.jpg", "wall.png", "portrait.jpg", *(f"face{i}.png" for i in range(2, 6))):
        (pictures / name).unlink()
    code, _, err = heirloom("restore", pictures, "--aligned", "--mode", "direct", "-o", tmp_path / "out")
    assert code == 0, err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["face0.png", "face1.png"]


WRONG = {
    "an absent file": (["restore", "{p}/absent.png", "-o", "{t}/a.png"], 3, "cannot be read: No such file"),
    "a folder for one file": (["restore", "{p}", "-o", "{t}/a.png"], 2, "there are several photos. Name a folder"),
    "a corrupt file": (["restore", "{p}/broken.jpg", "-o", "{t}/a.png", "--mode", "direct"], 3, "is damaged"),
    "no face": (["restore", "{p}/wall.png", "-o", "{t}/a.png", "--mode", "direct"], 3, "No face was found"),
    "an absent album": (["tune", "{t}/absent.zip", "-o", "{t}/a.safetensors"], 3, "does not exist"),
    "an empty album": (["tune", "{t}/empty", "-o", "{t}/a.safetensors"], 3, "The album has no photos"),
    "an album of one photo": (["tune", "{t}/one", "-o", "{t}/a.safetensors"], 3, "The album has one photo"),
    "an album without faces": (["tune", "{t}/walls", "-o", "{t}/a.safetensors"], 3, "Only 0 of the album's 3 photos"),
    "not a zip": (["tune", "{p}/wall.png", "-o", "{t}/a.safetensors"], 3, "The file is not a zip"),
    "a checkpoint without its ending": (["tune", "{t}/one", "-o", "{t}/a.pt"], 2, "End its name in .safetensors"),
    "an absent folder": (["restore", "{p}/face0.png", "-o", "{t}/x/y.png"], 6, "does not exist. Make it"),
    "the photo itself": (["restore", "{p}/face0.png", "-o", "{p}/face0.png"], 6, "is one of the photos"),
    "an absent checkpoint": (
        ["restore", "{p}/face0.png", "-o", "{t}/a.png", "--checkpoint", "{t}/absent.safetensors"],
        5,
        "heirloom tune",
    ),
    "a photo as checkpoint": (
        ["restore", "{p}/face0.png", "-o", "{t}/a.png", "--checkpoint", "{p}/wall.png"],
        5,
        "is not a safetensors file",
    ),
    "an unknown prior": (["restore", "{p}/face0.png", "-o", "{t}/a.png", "--prior", "strater"], 4, "'starter'"),
    "an unknown recipe": (["restore", "{p}/face0.png", "-o", "{t}/a.png", "--recipe", "quick"], 2, "quick-"),
    "a recipe of another mode": (
        ["restore", "{p}/face0.png", "-o", "{t}/a.png", "--mode", "direct", "--recipe", "quick-generative"],
        2,
        "is generative, but the mode is direct",
    ),
    "K out of range": (["restore", "{p}/face0.png", "-o", "{t}/a.png", "-k", "0"], 2, "allowed is at least 1"),
    "K beyond the prior": (["restore", "{p}/face0.png", "-o", "{t}/a.png", "-k", "51"], 2, "allowed is at most 50"),
    "fidelity out of range": (["restore", "{p}/face0.png", "-o", "{t}/a.png", "--fidelity", "2"], 2, "0 … 1"),
    "fidelity in words": (["restore", "{p}/face0.png", "-o", "{t}/a.png", "--fidelity", "most"], 2, "0 … 1, or auto"),
    "K by the photo without a calibration": (
        ["restore", "{p}/face0.png", "-o", "{t}/a.png", "--fidelity", "auto"],
        4,
        "it has no calibration",
    ),
    "fidelity and K": (
        ["restore", "{p}/face0.png", "-o", "{t}/a.png", "--fidelity", "1", "-k", "9"],
        2,
        "say the same thing",
    ),
    "a wrong number of candidates for a folder": (
        ["restore", "{p}/face0.png", "-o", "{t}/out", "--candidates", "9"],
        2,
        "candidates is 9, allowed is at least 1 and at most 8",
    ),
    "a wrong K for a folder": (["restore", "{p}/face0.png", "-o", "{t}/out", "-k", "0"], 2, "allowed is at least 1"),
    "the personal mode without an album": (
        ["restore", "{p}/face0.png", "-o", "{t}/a.png", "--mode", "personal"],
        2,
        "needs a checkpoint or an album. Tune once",
    ),
    "an album in the direct mode": (
        ["restore", "{p}/face0.png", "-o", "{t}/a.png", "--mode", "direct", "--album", "{p}"],
        2,
        "belongs to the personal mode, not to direct",
    ),
    "a checkpoint and an album": (
        ["restore", "{p}/face0.png", "-o", "{t}/a.png", "--checkpoint", "{p}/wall.png", "--album", "{p}"],
        2,
        "A checkpoint and an album were given",
    ),
    "a kind of picture that is not written": (
        ["restore", "{p}/face0.png", "-o", "{t}/restored.bmp"],
        2,
        "End its name in .jpg, .jpeg, .png, .webp, .tif, .tiff, .heic, .heif, or name a folder.",
    ),
    "one picture for several photos": (
        ["restore", "{p}/face0.png", "{p}/face1.png", "-o", "{t}/restored.png"],
        2,
        "is named as one picture, and there are several photos. Name a folder.",
    ),
    "no device": (["restore", "{p}/face0.png", "-o", "{t}/a.png", "--device", "mps"], 1, "no mps device"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use_is_one_line_with_what_to_do_and_leaves_nothing(heirloom, pictures, tmp_path, name):
    for folder, count in (("empty", 0), ("one", 1), ("walls", 3)):
        (tmp_path / folder).mkdir()
        for i in range(count):
            (tmp_path / folder / f"{i}.png").write_bytes((pictures / "wall.png").read_bytes())
    before = sorted(str(path) for path in tmp_path.rglob("*") if "home" not in str(path))
    arguments, expected_code, words = WRONG[name]
    code, out, err = heirloom(*(argument.format(p=pictures, t=tmp_path) for argument in arguments))
    assert code == expected_code, err
    assert words in err
    assert "Traceback" not in err
    assert out == ""
    assert sorted(str(path) for path in tmp_path.rglob("*") if "home" not in str(path)) == before


def test_a_full_disk_is_said_and_nothing_half_written_stays(heirloom, pictures, tmp_path, monkeypatch):
    real = os.fsync

    def full(handle):
        if tmp_path.joinpath("results") in [p for p in tmp_path.iterdir() if any(p.glob(".heirloom-*"))]:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    (tmp_path / "results").mkdir()
    monkeypatch.setattr(os, "fsync", full)
    arguments = ["--aligned", "--mode", "direct", "-o", tmp_path / "results" / "a.png"]
    code, _, err = heirloom("restore", pictures / "face0.png", *arguments)
    assert code == 6
    assert "No space is left" in err
    assert "run the same command again" in err
    assert list((tmp_path / "results").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_says_how_to_go_on_and_the_same_command_does(heirloom, pictures, tmp_path, home, monkeypatch, number):
    (tmp_path / "album").mkdir()
    for i in range(4):
        (tmp_path / "album" / f"{i}.png").write_bytes((pictures / f"face{i}.png").read_bytes())
    target, whole = tmp_path / "alice.safetensors", tmp_path / "whole.safetensors"
    # Another process knows nothing of the smaller presets: it needs a prior with the usual thousand steps.
    monkeypatch.setattr(presets, "PRESETS", PUBLISHED_PRESETS)
    long = save_prior(home / "priors" / "long", schedule=LinearScheduleSpec())
    command = ["tune", tmp_path / "album", "--aligned", "--prior", long, "--iterations", ITERATIONS, "-o"]
    process = subprocess.Popen(  # noqa: S603  # our own command
        [sys.executable, "-c", SAVING_AT_EVERY_ITERATION, *map(str, command), str(target)],
        stderr=subprocess.PIPE,
        text=True,
    )
    work = home / "work"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None and not any(work.rglob("resume-finetune-*")):
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Run the same command again to go on" in " ".join(err.split())
    states = [unpack(state.read_bytes()[HASH_BYTES:])[1]["iteration"] for state in work.rglob("resume-finetune-*")]
    assert len(states) <= 2
    stopped_at = max(states)
    assert 1 <= stopped_at < ITERATIONS
    assert not target.exists()
    assert leftovers(tmp_path) == []

    told = []
    real = StageBars.report

    def listening(bars, stage, item, done, total):
        told.append((stage, done))
        real(bars, stage, item, done, total)

    monkeypatch.setattr(StageBars, "report", listening)
    for path in (target, whole):
        code, _, err = heirloom(*command, path)
        assert code == 0, err
    assert [done for stage, done in told if stage == "finetune"] == [
        *range(stopped_at, ITERATIONS + 1),  # the stopped one
        *range(ITERATIONS + 1),
    ]
    assert target.read_bytes() == whole.read_bytes()


ON_THE_ALBUM = {
    "a file": (["{album}/1.png"], "1.png"),
    "its folder": (["{album}"], "0.png"),
    "a candidate below": (["{album}/below/a.png", "--candidates", "2"], "a-2.png"),
}


@pytest.mark.parametrize("name", ON_THE_ALBUM)
def test_the_album_s_photos_are_never_overwritten(heirloom, album, tmp_path, name):
    (album / "below").mkdir()
    (album / "below" / "a-2.png").write_bytes((album / "1.png").read_bytes())
    photo = tmp_path / "0.png"
    photo.write_bytes((album / "0.png").read_bytes())
    before = {path: path.read_bytes() for path in album.rglob("*.png")}
    arguments, refused = ON_THE_ALBUM[name]
    output = [argument.format(album=album) for argument in arguments]
    code, out, err = heirloom("restore", photo, "--album", album, "-o", *output)
    assert (code, out) == (6, "")
    assert f"{refused} is one of the photos. Photos are never overwritten: name another." in err
    assert {path: path.read_bytes() for path in album.rglob("*.png")} == before


def test_equal_names_from_two_folders_are_refused_before_anything_runs(heirloom, pictures, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "face0.jpg").write_bytes((pictures / "face0.png").read_bytes())
    photos = [pictures / "face0.png", tmp_path / "more" / "face0.jpg"]
    code, _, err = heirloom("restore", *photos, "-o", tmp_path / "out", "--mode", "direct")
    assert code == 6
    assert "both become face0.png" in err
