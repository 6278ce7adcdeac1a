import numpy as np
import pytest

from core.imaging.intake import encode
from core.priors.training.dataset import TrainingSet


def picture(number, height=20, width=20):
    """A flat picture whose grey tells it from the others."""
    return np.full((height, width, 3), number, np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures p00.png … p11.png of grey 0, 20, 40 …"""
    target = tmp_path / "pictures"
    target.mkdir()
    for i in range(12):
        (target / f"p{i:02d}.png").write_bytes(encode(picture(20 * i)))
    return target


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (10, 16, 16, 3), np.uint8)
    return TrainingSet(images[:7], images[7:], (), "d" * 64)
