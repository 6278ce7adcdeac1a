"""Who is it: a face in a photo among the people whose photos are known. A proposal with its sureness, never a verdict.

Measured on five people's aligned albums: 360 faces, clean and degraded in the five ways of `core.imaging.degrade`,
against the centres of 16 other photos of each person. With the two numbers below 94 in 100 are told, none as somebody
else; with a face's own person taken out of the references, none of the 360 is taken for another.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from core.imaging.embedding import identity

LIMIT_DISTANCE = 0.56
"""From the centre of a person's photos; farther away is nobody who is known. Own faces: median 0.37, nineteen in twenty
below 0.57; the nearest of four strangers: at least 0.56, nineteen in twenty above 0.61."""

LEAST_MARGIN = 0.05
"""Distance to where the answer would be another one, below which nothing is applied."""

_CERTAIN_MARGIN = 0.20
"""Half of the clean faces have at least this: there sureness is 1."""


class Guess(NamedTuple):
    """The likeliest person.

    Attributes:
        key: whose references are nearest.
        sureness: 0 … 1, from the margin.
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
    margin = LIMIT_DISTANCE - nearest
    if len(ranked) > 1:
        margin = min(margin, ranked[1][0] - nearest)
    return Guess(key, float(np.clip(margin / _CERTAIN_MARGIN, 0.0, 1.0)), margin)


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
