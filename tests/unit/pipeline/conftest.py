from typing import ClassVar

import numpy as np
import pytest
from skimage.data import astronaut

from core.imaging.faces import DlibFaceFinder
from core.imaging.faces.open import FinderChoice
from core.imaging.intake import encode
from core.imaging.resize import resize
from core.pipeline.plan import plan
from core.pipeline.ports import Ports
from core.pipeline.request import Photo, TuneRequest
from core.pipeline.run import run
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


@pytest.fixture(scope="session")
def pixels():
    """The astronaut twice, the second time mirrored and a bit smaller: [256, 480, 3]."""
    half = np.ascontiguousarray(astronaut()[10:266, 90:346])
    beside = np.full((256, 224, 3), 120, np.uint8)
    beside[:224] = resize(half, 224)[:, ::-1]
    return np.hstack([half, beside])


@pytest.fixture(scope="session")
def group(pixels):
    return Photo("group.png", encode(pixels))


@pytest.fixture(scope="session")
def checkpoints(aligned):
    """Two people's, by name."""
    prior = tiny_prior()
    recipe = _recipe("personal")

    def tuned(seed):
        request = TuneRequest(aligned, seed=seed)
        return run(plan(request, recipe, prior.spec), request, recipe, prior, Ports()).checkpoint

    return {"alice": tuned(1), "bob": tuned(2)}


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


class OnceFinder(DlibFaceFinder):
    """dlib's, which looks at each picture once in all of these tests."""

    seen: ClassVar[dict] = {}

    def find(self, image):
        key = image.tobytes()
        if key not in self.seen:
            self.seen[key] = super().find(image)
        return self.seen[key]


@pytest.fixture
def once(monkeypatch):
    """Faces are looked for once in each picture."""
    monkeypatch.setattr(FinderChoice, "open", lambda _: OnceFinder())


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
