"""Whose album it is: the densest place among the faces' embeddings, and how far each face lies from it.

dlib's usual 0.6 is no help here: strangers from groups that its training data hardly knew lie 0.5 apart, and a degraded
face can lie 0.5 from its own person. So the line is drawn by the album itself, at a multiple of the distance at which
the person's own faces usually lie.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.imaging.curate.thresholds import CurationThresholds

_MOST_ROUNDS = 12
"""Of moving the centre; it settles in three to five, or swings between two."""


@dataclass(frozen=True, eq=False)
class Person:
    """The person that most photos of an album show.

    Attributes:
        photos: which photos show them, by place, rising.
        limit: distance from the centre up to which a face is theirs.
        typical: median distance of their faces from the centre of the others.
        vectors: their faces' embeddings, [len(photos), 128] float64.
    """

    photos: tuple[int, ...]
    limit: float
    typical: float
    vectors: np.ndarray

    @property
    def spread(self) -> float:
        """Median distance between two of their faces; 0 for a single one."""
        pairs = _distances(self.vectors)
        apart = pairs[np.triu_indices(len(self.vectors), 1)]
        return float(np.median(apart)) if apart.size else 0.0

    def distance(self, photo: int, vector: np.ndarray) -> float:
        """Of a face from the centre of their other photos: a face is no witness for itself.

        Args:
            photo: where the face was seen.
            vector: [128] float64.
        """
        count = len(self.photos)
        own = self._rows.get(photo)
        if own is None or count == 1:
            return float(np.linalg.norm(vector - self._total / count))
        return float(np.linalg.norm(vector - (self._total - self.vectors[own]) / (count - 1)))

    @cached_property
    def _rows(self) -> dict[int, int]:
        return {photo: row for row, photo in enumerate(self.photos)}

    @cached_property
    def _total(self) -> np.ndarray:
        return np.asarray(self.vectors.sum(axis=0))


def densest_person(
    photos: Sequence[np.ndarray], moments: Sequence[int], limits: CurationThresholds, without: Person | None = None
) -> Person | None:
    """Find the person whom most photos show.

    Args:
        photos: for each, its faces' embeddings, [faces, 128] float64; there may be none.
        moments: for each, which moment it shows; copies of one picture count once.
        limits: the thresholds.
        without: faces of this person do not count.

    Returns:
        None where no face is left.
    """
    faces = [
        (photo, vector)
        for photo, vectors in enumerate(photos)
        for vector in vectors
        if without is None or without.distance(photo, vector) > without.limit
    ]
    if not faces:
        return None
    vectors = np.stack([vector for _, vector in faces])
    seen = np.array([photo for photo, _ in faces])
    pairs = _distances(vectors)
    density = [len({moments[photo] for photo in seen[row <= limits.link_distance]}) for row in pairs]
    near = [float(row[row <= limits.link_distance].mean()) for row in pairs]
    seed = min(range(len(faces)), key=lambda face: (-density[face], near[face]))
    members = _nearest(seen, pairs[seed], limits.link_distance)
    return _settle(seen, vectors, members, limits)


def _settle(seen: np.ndarray, vectors: np.ndarray, members: np.ndarray, limits: CurationThresholds) -> Person:
    """Move the centre to its members, and the line to what their own distances say, until both stay."""
    for _ in range(_MOST_ROUNDS):
        distances = np.linalg.norm(vectors - vectors[members].mean(axis=0), axis=1)
        # From the centre of the others a member is farther away, by n / (n − 1).
        distances[members] *= len(members) / max(1, len(members) - 1)
        typical = float(np.median(distances[members]))
        limit = float(np.clip(limits.limit_ratio * typical, limits.least_limit, limits.most_limit))
        person = Person(tuple(int(photo) for photo in seen[members]), limit, typical, vectors[members])
        chosen = _nearest(seen, distances, limit)
        if len(chosen) == 0 or np.array_equal(chosen, members):
            break
        members = chosen
    return person


def _nearest(seen: np.ndarray, distances: np.ndarray, limit: float) -> np.ndarray:
    """The nearest face of every photo that has one within the limit: nobody is in a photo twice."""
    chosen: dict[int, int] = {}
    for face in np.argsort(distances, kind="stable"):
        if distances[face] <= limit:
            chosen.setdefault(int(seen[face]), int(face))
    return np.array([chosen[photo] for photo in sorted(chosen)], dtype=int)


def _distances(vectors: np.ndarray) -> np.ndarray:
    """Between all pairs, [N, N]; by |a|² + |b|² − 2ab, as the differences of 2,000 faces would take gigabytes."""
    lengths = (vectors * vectors).sum(axis=1)
    squares = lengths[:, None] + lengths[None] - 2.0 * (vectors @ vectors.T)
    return np.asarray(np.sqrt(np.clip(squares, 0.0, None)))
