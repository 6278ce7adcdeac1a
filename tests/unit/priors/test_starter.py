from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from core.imaging.resize import resize
from core.priors.locate import STARTER_FOLDER, load_prior
from core.priors.spec import WEIGHTS_FILE, read_spec
from core.priors.training.evaluation import denoise_once, mean_psnr, noised, rescaled
from core.priors.verify import verify_prior
from tests.tracked import tracked_files

MAX_BYTES = 16 * 2**20


@pytest.fixture(scope="module")
def starter(tmp_path_factory):
    return load_prior("starter", tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    """One aligned face that no training saw, and its mirror image: [2, 128, 128, 3] uint8."""
    face = resize(np.ascontiguousarray(astronaut()[10:266, 90:346]), 128)
    return np.stack([face, face[:, ::-1]])


def test_it_is_small_enough_to_ship_and_of_the_size_it_says(starter):
    assert (STARTER_FOLDER / WEIGHTS_FILE).stat().st_size <= MAX_BYTES
    assert starter.spec.resolution == 128
    assert sum(parameter.numel() for parameter in starter.network.parameters()) < 10_000_000


def test_it_is_whole_and_takes_noise_away(starter):
    assert verify_prior(starter).ok


@pytest.mark.parametrize(("t", "margin_db"), [(50, 2.0), (100, 2.5), (200, 3.0)])
def test_it_knows_faces_better_than_the_best_blur_does(starter, faces, t, margin_db):
    x0, x_t = noised(faces, t, starter)
    scaled = rescaled(x_t, t, starter)
    blurred = []
    for sigma in (0.5, 0.75, 1.0, 1.5, 2.0, 3.0):
        images = [cv2.GaussianBlur(image, (0, 0), sigma) for image in scaled.permute(0, 2, 3, 1).numpy()]
        blurred.append(mean_psnr(scaled.new_tensor(np.stack(images)).permute(0, 3, 1, 2), x0))
    assert mean_psnr(denoise_once(starter, x_t, t), x0) > max(blurred) + margin_db


def test_its_licence_is_said_plainly_everywhere():
    spec = read_spec(STARTER_FOLDER)
    assert "research" in spec.licence
    assert not spec.commercial_use
    readme = " ".join((STARTER_FOLDER / "README.md").read_text(encoding="utf-8").split())
    assert "research and evaluation only" in readme
    for source in ("All-Age-Faces", "LFW", "Congress", "generated"):
        assert source in readme


def test_no_training_picture_is_shipped_with_it():
    shipped = tracked_files("core/priors/starter")
    pictures = {name for name in shipped if Path(name).suffix in {".png", ".jpg", ".webp"}}
    assert pictures <= {"core/priors/starter/samples.png", "core/priors/starter/curve.png"}
