"""Who is it: a face in a photo among the people whose photos are known. A proposal with its sureness, never a verdict.

dlib tells some groups of people apart poorly: strangers of one album lie as near to its centre as another person's own
faces to theirs. So how near is near enough comes from the album itself, as in `core.imaging.curate.person`.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from core.imaging.embedding import identity

LIMIT_DISTANCE = 0.56
"""From the centre of a person's photos; farther away is nobody who is known, however far their own photos lie apart.
The nearest of the four strangers in five aligned albums, clean or degraded: 0.565; of 200 from LFW: 0.47."""

LEAST_MARGIN = 0.05
"""Distance to where the answer would be another one, below which nothing is applied."""

_APPLIED_RATIO = 1.5
"""Up to this multiple of the distance at which the person's own photos usually lie, a face is theirs.
Five aligned albums, references 16 of 20 photos drawn twenty times: of 300 strangers from All-Age-Faces one, 3 in a
thousand come through beside a person from East Asia (28 in a hundred by `LIMIT_DISTANCE` alone) and none beside the
four others; of 400 from LFW, Congress portraits and generated faces, and of the other four, none. Of the person's own
faces 88 to 100 in a hundred are told, degraded in the five ways of `core.imaging.degrade` 56 to 91."""

_LEAST_TYPICAL = 0.24
"""Photos of one afternoon lie nearer together than those of a life, and one photo tells nothing of that; this is about
the smallest of the five albums."""


class Guess(NamedTuple):
    """The likeliest person.

    Attributes:
        key: whose references are nearest.
        sureness: 0 … 1, from the margin; 1 where the face is as near as the person's own photos usually are.
        margin: how much farther away the face would have to be to be nobody, or how much nearer the next person is not,
            whichever is less; in distances of embeddings, negative where the face is like nobody.
    """

    key: str
    sureness: float
    margin: float

    @property
    def applies(self) -> bool:
        """Whether the margin is large enough to act on it."""
        return self.margin >= LEAST_MARGIN


def who_is_it(vector: np.ndarray, references_by_key: Mapping[str, np.ndarray]) -> Guess:
    """The person whose photos a face is nearest to.

    Args:
        vector: the face's embedding, [128] float64.
        references_by_key: embeddings of photos of each person, [N, 128], N at least 1.

    Raises:
        ValueError: there is nobody to choose from.
    """
    if not references_by_key:
        raise ValueError("nobody is known")
    ranked = sorted((distance_to(vector, references), key) for key, references in references_by_key.items())
    nearest, key = ranked[0]
    typical = typical_distance(references_by_key[key])
    limit = _limit(typical)
    margin = limit - nearest
    if len(ranked) > 1:
        margin = min(margin, ranked[1][0] - nearest)
    certain = max(LEAST_MARGIN, limit - typical)
    return Guess(key, float(np.clip(margin / certain, 0.0, 1.0)), margin)


def typical_distance(references: np.ndarray) -> float:
    """How far a person's photos usually lie from their centre: median, at least 0.24.

    From the centre of all, not of the others as in curation: among few photos that is less, and few photos prove less.

    Args:
        references: [N, 128], N at least 1.
    """
    vectors = np.asarray(references, dtype=np.float64)
    apart = np.linalg.norm(vectors - vectors.mean(axis=0), axis=1)
    return max(_LEAST_TYPICAL, float(np.median(apart)))


def _limit(typical: float) -> float:
    return min(LIMIT_DISTANCE, _APPLIED_RATIO * typical + LEAST_MARGIN)


def distance_to(vector: np.ndarray, references: np.ndarray) -> float:
    """Of a face from the centre of a person's photos.

    Args:
        vector: [128] float64.
        references: [N, 128].
    """
    return float(np.linalg.norm(vector - np.asarray(references, dtype=np.float64).mean(axis=0)))


def identity_to_references(vector: np.ndarray, references: np.ndarray) -> float:
    """Mean identity of a face to a person's photos; arguments as for `distance_to`."""
    return float(np.mean([identity(vector, reference) for reference in np.asarray(references, dtype=np.float64)]))
