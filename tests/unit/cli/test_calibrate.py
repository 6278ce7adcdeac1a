import json

import numpy as np
import pytest

from core.imaging.intake import encode
from core.priors.calibration import CALIBRATION_FILE
from core.priors.locate import load_prior


@pytest.fixture
def clean(tmp_path):
    """Twenty pictures of noise."""
    folder = tmp_path / "clean"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(20):
        (folder / f"{number}.png").write_bytes(encode(generator.integers(0, 256, (16, 16, 3), np.uint8)))
    return folder


def test_a_prior_is_calibrated_and_info_says_so(heirloom, home, clean):
    assert "no; `heirloom models calibrate tiny PHOTOS`" in heirloom("models", "info", "tiny")[2]
    code, out, err = heirloom("models", "calibrate", "tiny", clean, "--count", 20, "--source", "noise")
    assert (code, out) == (0, "")
    assert "calibrated on 20 pictures" in err
    assert "on 20 pictures: noise" in heirloom("models", "info", "tiny")[2]
    assert load_prior("tiny", home).calibration.pictures == 20


def test_a_damaged_calibration_is_replaced(heirloom, home, clean):
    path = home / "priors" / "tiny" / CALIBRATION_FILE
    path.write_text("{")
    assert heirloom("models", "info", "tiny")[0] == 4
    code, out, _ = heirloom("models", "calibrate", "tiny", clean, "--count", 20, "--json")
    assert code == 0
    assert json.loads(out)["calibration"]["pictures"] == 20
    assert json.loads(path.read_text())["prior_sha256"] == load_prior("tiny", home).spec.sha256


def test_too_few_pictures_change_nothing(heirloom, home, clean):
    (clean / "0.png").unlink()
    assert heirloom("models", "calibrate", "tiny", clean, "--count", 20)[0] == 3
    assert heirloom("models", "calibrate", "tiny", clean, "--count", 19)[0] == 2
    assert heirloom("models", "calibrate", "tiny", clean, "--index", clean / "index.csv")[0] == 3
    assert not (home / "priors" / "tiny" / CALIBRATION_FILE).exists()


def test_then_each_face_is_restored_with_a_k_of_its_own_up_to_the_recipes(heirloom, clean, pictures, tmp_path):
    assert heirloom("models", "calibrate", "tiny", clean, "--count", 20)[0] == 0
    restore = ["restore", pictures / "face0.png", "--aligned", "--mode", "direct", "--fidelity", "auto", "--json"]
    chosen = []
    for most in (1, 8, 40):
        code, out, err = heirloom(*restore, "-k", most, "-o", tmp_path / f"out-{most}.png")
        assert code == 0, err
        chosen.append(json.loads(out)["photos"][0]["faces"][0]["noise_steps"])
    assert chosen[0] == 1
    assert chosen[1] <= 8
    assert chosen[1] == min(8, chosen[2])
