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
    photo_of = [place for place, photo in enumerate(photos) for _ in photo.faces]
    faces = [face for photo in photos for face in photo.faces]
    bits = np.array([face.bits for face in faces])
    mirrored = np.array([face.mirrored_bits for face in faces])
    most = max(limits.copy_bits, limits.moment_bits)
    moments = list(range(len(photos)))
    for number, (place, face) in enumerate(zip(photo_of, faces, strict=True)):
        # All earlier faces at once: of the millions of pairs of a large album hardly any is worth a closer look.
        apart = (bits[:number] != face.bits).sum(axis=1)
        apart_mirrored = (mirrored[:number] != face.bits).sum(axis=1)
        for other in np.flatnonzero(np.minimum(apart, apart_mirrored) <= most):
            earlier = photo_of[other]
            if earlier != place and alike(face, faces[other], limits):
                moments[place] = min(moments[place], moments[earlier])
    return moments
