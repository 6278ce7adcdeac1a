import csv
import hashlib

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from benchmarks import quality
from benchmarks.restorations import Bench, against_truth, identity_between, recipe_key
from benchmarks.rows import Rows
from benchmarks.tables import means
from core.domain.errors import BadInputError, InvalidRecipeError
from core.imaging.intake import decode_photo, encode
from core.imaging.sharpness import sharpness
from core.pipeline.request import Photo
from core.priors.spec import WEIGHTS_FILE, write_spec
from core.priors.weights import weights_bytes
from tests.fakes import tiny_prior

FEW_STEPS = {"restore.noise_steps": "6"}
TINY = ("restore.noise_steps=6", "restore.sampler=ancestral", "finetune.iterations=2", "finetune.batch=1")
TINY += ("finetune.timesteps_below=6", "album.images=2", "album.start_steps=6", "album.sampler=ancestral")


@pytest.fixture
def prior_folder(tmp_path):
    folder = tmp_path / "prior"
    folder.mkdir()
    prior = tiny_prior(resolution=32)
    weights = weights_bytes(prior.network.state_dict())
    (folder / WEIGHTS_FILE).write_bytes(weights)
    write_spec(folder, prior.spec.model_copy(update={"sha256": hashlib.sha256(weights).hexdigest()}))
    return folder


@pytest.fixture
def measure(prior_folder, photos_beside, tmp_path):
    """Run one of the measurements as a shell would: measure("faces", "--count", "2") → what it printed."""

    def run(*arguments):
        common = ["--prior", str(prior_folder), "--shared", str(photos_beside), "-o", str(tmp_path / "out")]
        changes = [part for change in TINY for part in ("--set", change)]
        result = CliRunner().invoke(quality.app, [*common, *changes, *arguments], catch_exceptions=False)
        assert result.exit_code == 0
        return result.output

    return run


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_faces_are_measured_before_and_after_and_never_twice(measure, tmp_path):
    printed = measure("faces", "--count", "3", "--kind", "noise")
    rows = rows_of(tmp_path / "out" / "faces.csv")
    assert [row["face"] for row in rows] == ["0", "1", "2"]
    assert all(0 < float(row["input_psnr"]) < 60 and -1 < float(row["identity"]) <= 1 for row in rows)
    mean = np.mean([float(row["input_psnr"]) for row in rows])
    assert f"{mean:.3f}" in printed
    measure("faces", "--count", "3", "--kind", "noise")
    assert rows_of(tmp_path / "out" / "faces.csv") == rows


def test_other_numbers_are_other_rows(measure, tmp_path):
    measure("faces", "--count", "1", "--kind", "blur")
    measure("--set", "restore.noise_steps=3", "faces", "--count", "1", "--kind", "blur")
    assert len({row["recipe"] for row in rows_of(tmp_path / "out" / "faces.csv")}) == 2


def test_the_generative_mode_is_set_beside_the_direct_one(measure, tmp_path):
    measure("faces", "--count", "1", "--kind", "mix")
    printed = measure("generative", "--count", "1")
    assert "quick-direct/" in printed
    assert "quick-generative/" in printed
    assert len(list((tmp_path / "out" / "sheets").glob("faces-*-mix-000.png"))) == 2


def test_real_photos_are_shown_with_every_mode(measure, tmp_path):
    measure("real")
    assert len(rows_of(tmp_path / "out" / "real.csv")) == 2 * 2
    sheet = decode_photo(next((tmp_path / "out" / "sheets").glob("real-*-0.png")).read_bytes())
    assert sheet.shape[1] == 3 * 256


def test_personal_rows_are_one_for_each_turn_photo_and_seed(measure, tmp_path):
    measure("personal", "--subject", "obama", "--seeds", "2")
    rows = rows_of(tmp_path / "out" / "personal.csv")
    assert len(rows) == 3 * 4 * (1 + 2 + 2 + 2)  # turns × photos × (input, each mode twice)
    measure("personal", "--subject", "obama", "--seeds", "2")
    assert rows_of(tmp_path / "out" / "personal.csv") == rows


def test_a_ladder_climbs_every_k_in_every_mode(measure, tmp_path, monkeypatch):
    monkeypatch.setattr(quality, "LADDER", (2, 4))
    measure("ladder")
    rows = rows_of(tmp_path / "out" / "ladder.csv")
    assert len(rows) == 3 * 3 * 2
    assert {row["K"] for row in rows} == {"2", "4"}
    assert {bool(row["psnr"]) for row in rows if row["subject"] == "federer"} == {True}


def test_a_photo_that_fails_ends_the_measurement(tmp_path):
    bench = Bench(tiny_prior(), tmp_path, tmp_path, changes={"restore.noise_steps": "4"})
    with pytest.raises(BadInputError):
        bench.restore([Photo("broken", b"not a picture", aligned=True)], bench.recipe("quick-direct"))


def test_changes_apply_to_the_recipes_that_have_the_number(tmp_path):
    bench = Bench(tiny_prior(), tmp_path, tmp_path, changes={"finetune.iterations": "7"})
    assert bench.recipe("quick-personal").finetune.iterations == 7
    plain = Bench(tiny_prior(), tmp_path, tmp_path).recipe("quick-direct")
    assert recipe_key(bench.recipe("quick-direct")) == recipe_key(plain)


def test_a_mistyped_change_is_refused(tmp_path):
    bench = Bench(tiny_prior(), tmp_path, tmp_path, changes={"restor.noise_steps": "7"})
    with pytest.raises(InvalidRecipeError, match=r"A recipe has no 'restor\.noise_steps'"):
        bench.recipe("direct")


def test_two_precisions_share_neither_rows_nor_artifacts(tmp_path, face):
    photo = Photo("face", encode(face), aligned=True)
    made = []
    for dtype in (None, torch.bfloat16):
        bench = Bench(tiny_prior(resolution=32).to("cpu", dtype), tmp_path, tmp_path, changes=FEW_STEPS)
        made.append((bench.prior_key, bench.restore([photo], bench.recipe("direct"))[0][1].candidates[0].native))
    assert made[0][0] != made[1][0]
    assert not np.array_equal(made[0][1], made[1][1])


def test_numbers_against_the_truth_are_perfect_for_the_truth_itself(face):
    numbers = against_truth(face, face)
    assert numbers == {"psnr": float("inf"), "ssim": 1.0, "identity": 1.0, "sharpness": round(sharpness(face), 4)}
    assert identity_between(face, np.full_like(face, 128)) < 0.9


def test_means_group_rows_and_ignore_empty_cells(tmp_path):
    rows = Rows(tmp_path / "rows.csv", key=("mode", "photo"))
    for mode, photo, value in (("a", 1, 2.0), ("a", 2, 4.0), ("b", 1, 5.0), ("b", 2, "")):
        rows.add({"mode": mode, "photo": photo, "value": value})
    assert means(rows.all(), ("mode",), ("value",)) == {
        ("a",): {"rows": 2.0, "value": 3.0},
        ("b",): {"rows": 2.0, "value": 5.0},
    }
