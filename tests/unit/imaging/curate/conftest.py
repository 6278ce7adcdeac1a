"""Faces that nobody has: embeddings as dlib spreads them, 0.3 around a person, people 0.7 apart."""

from collections.abc import Callable

import numpy as np
import pytest

from core.imaging.curate import FaceFacts, PhotoFacts
from core.imaging.curate.appearance import Expression, Light
from core.imaging.curate.pose import Pose

SPREAD, APART = 0.30, 0.70


class Maker:
    """Draws faces of numbered people, always the same ones."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(7)
        self._centres = self._random.normal(size=(40, 128))
        self._centres *= APART / np.sqrt(2) / np.linalg.norm(self._centres, axis=1, keepdims=True)

    def vector(self, person: int, spread: float = SPREAD) -> np.ndarray:
        return self._centres[person] + self._random.normal(size=128) * spread / np.sqrt(128)

    def between(self, person: int, other: int, share: float) -> np.ndarray:
        return (1 - share) * self._centres[person] + share * self._centres[other]

    def face(self, person: int = 0, **facts) -> FaceFacts:
        bits = self._random.random(126) < 0.5
        usual = {
            "vector": self.vector(person, facts.pop("spread", SPREAD)),
            "bits": bits,
            "mirrored_bits": ~bits,
            "side_pixels": 300,
            "clear_pixels": 280.0,
            "restorable": True,
            "pose": Pose(float(self._random.uniform(-40, 40)), 0.0, 0.0),
            "light": Light(130.0, 0.0, 0.4),
            "expression": Expression(0.0, 0.8, 0.3),
            "thumbnail": b"face",
        }
        return FaceFacts(**(usual | facts))

    def photo(self, *people: int, label: str = "", **facts) -> PhotoFacts:
        return PhotoFacts(label, tuple(self.face(person, **facts) for person in people), thumbnail=b"photo")

    def album(self, *photos: int | tuple[int, ...]) -> list[PhotoFacts]:
        """One photo for each entry: whom it shows."""
        people = [entry if isinstance(entry, tuple) else (entry,) for entry in photos]
        return [self.photo(*shown, label=str(place)) for place, shown in enumerate(people)]


@pytest.fixture
def make() -> Maker:
    return Maker()


@pytest.fixture
def codes() -> Callable:
    return lambda report: [photo.code for photo in report.photos]
