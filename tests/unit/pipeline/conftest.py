import numpy as np
import pytest

from core.imaging.intake import encode
from core.pipeline.request import Photo
from core.recipes.schema import build_recipe
from tests.fakes import tiny_prior
from tests.one_face import aligned_faces


@pytest.fixture(scope="session")
def crops() -> list[np.ndarray]:
    """Six different pictures of one face in FFHQ framing, [64, 64, 3]."""
    return aligned_faces(6, 64)


@pytest.fixture(scope="session")
def aligned(crops) -> tuple[Photo, ...]:
    return tuple(Photo(f"{i}.png", encode(crop), aligned=True) for i, crop in enumerate(crops))


@pytest.fixture
def prior():
    return tiny_prior()


def _recipe(mode, **restore):
    values = {"name": f"tiny-{mode}", "mode": mode, "restore": {"noise_steps": 12, "batch": 2} | restore}
    if mode == "generative":
        values["album"] = {"images": 3, "start_steps": 12, "guidance_every": 4, "batch": 2}
    if mode != "direct":
        values["finetune"] = {"iterations": 6, "batch": 2, "learning_rate": 1e-3}
    return build_recipe(values)


@pytest.fixture
def recipe():
    """A builder of recipes for the tiny prior: recipe("direct", noise_steps=5)."""
    return _recipe


class CancelAfter:
    """The `Cancel` port that says stop at the n-th question."""

    def __init__(self, questions):
        self.left = questions

    def check(self):
        from core.domain.errors import CancelledError

        self.left -= 1
        if self.left < 0:
            raise CancelledError("Stopped.")


@pytest.fixture
def cancel_after():
    return CancelAfter
