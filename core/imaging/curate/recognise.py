"""Which of a photo's faces is the album's person, and how sure that is."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.imaging.curate.facts import PhotoFacts
from core.imaging.curate.person import Person
from core.imaging.curate.thresholds import CurationThresholds


@dataclass(frozen=True)
class Recognised:
    """A photo's face nearest to the person.

    Attributes:
        face: its place in the photo.
        sureness: 1 as near as the person's usual photo, 0 as far as somebody else.
        verdict: the person, perhaps, or somebody else.
    """

    face: int
    sureness: float
    verdict: Literal["same", "unsure", "other"]


def recognise(place: int, photo: PhotoFacts, person: Person, limits: CurationThresholds) -> Recognised:
    """Find the person's face in a photo.

    Args:
        place: the photo's, in the album.
        photo: with at least one face.
        person: the album's.
        limits: the thresholds.
    """
    distances = [person.distance(place, face.vector) for face in photo.faces]
    face = int(np.argmin(distances))
    nearest = distances[face]
    beyond = person.limit + limits.unsure_distance
    sureness = float(np.clip((beyond - nearest) / max(beyond - person.typical, 1e-6), 0.0, 1.0))
    if nearest > beyond:
        return Recognised(face, 0.0, "other")
    second = min((distance for other, distance in enumerate(distances) if other != face), default=np.inf)
    near = nearest <= limits.sure_share * person.limit or second - nearest >= limits.photo_margin
    return Recognised(face, sureness, "same" if nearest <= person.limit and near else "unsure")
