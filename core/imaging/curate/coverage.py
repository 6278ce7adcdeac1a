"""Which views, lights and expressions an album shows."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.imaging.curate.facts import FaceFacts
from core.imaging.curate.thresholds import CurationThresholds


@dataclass(frozen=True)
class Coverage:
    """How many of the kept photos show what; kinds that none shows are absent.

    Attributes:
        views: front, left, right, left_profile, right_profile: where the face looks, in the picture.
        tilts: level, up, down.
        lights: even, dark, bright, from_the_left, from_the_right.
        expressions: closed, smiling, open: the mouth.
    """

    views: Mapping[str, int]
    tilts: Mapping[str, int]
    lights: Mapping[str, int]
    expressions: Mapping[str, int]

    def as_json(self) -> dict[str, dict[str, int]]:
        """Each with its kinds in alphabetical order."""
        return {name: dict(sorted(getattr(self, name).items())) for name in ("views", "tilts", "lights", "expressions")}


def coverage_of(faces: Iterable[FaceFacts], limits: CurationThresholds) -> Coverage:
    """Count."""
    faces = list(faces)
    return Coverage(
        views=Counter(face.pose.view(limits) for face in faces),
        tilts=Counter(face.pose.tilt(limits) for face in faces),
        lights=Counter(face.light.kind(limits) for face in faces),
        expressions=Counter(face.expression.kind(limits) for face in faces),
    )
