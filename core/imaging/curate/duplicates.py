"""Copies of one picture, and pictures of one moment: hashes of the crops that agree, and embeddings beside each other.

Either alone would err: two portraits with the same light and pose have alike hashes, and two photos of one afternoon
have alike embeddings.
"""

from collections.abc import Sequence

import numpy as np

from core.imaging.curate.facts import FaceFacts, PhotoFacts
from core.imaging.curate.thresholds import CurationThresholds


def alike(one: FaceFacts, other: FaceFacts, limits: CurationThresholds) -> bool:
    """Whether two faces are one picture, or one moment; a mirrored copy is a copy."""
    bits = int(min((one.bits != other.bits).sum(), (one.mirrored_bits != other.bits).sum()))
    if bits > max(limits.copy_bits, limits.moment_bits):
        return False
    distance = float(np.linalg.norm(one.vector - other.vector))
    copy = bits <= limits.copy_bits and distance <= limits.copy_distance
    return copy or (bits <= limits.moment_bits and distance <= limits.moment_distance)


def moments_of(photos: Sequence[PhotoFacts], limits: CurationThresholds) -> list[int]:
    """Number the moments that an album shows, by photo: twenty copies of one picture are one witness.

    Returns:
        For each photo the place of the first one that has a face alike.
    """
    moments: list[int] = []
    for place, photo in enumerate(photos):
        first = next(
            (
                moments[before]
                for before in range(place)
                if any(alike(face, known, limits) for face in photo.faces for known in photos[before].faces)
            ),
            place,
        )
        moments.append(first)
    return moments
