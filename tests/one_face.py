"""Pictures of one face, so unlike that curation takes them for one person's and none for another's copy."""

from functools import cache

import numpy as np

from cli.demo_pictures import LIGHTS, lit, portrait
from core.imaging.align import Alignment, align_face, largest_face_crop
from core.imaging.faces import DlibFaceFinder


@cache
def _alignment() -> Alignment:
    return largest_face_crop(portrait(), DlibFaceFinder()).alignment


def aligned_faces(count: int, side: int) -> list[np.ndarray]:
    """Crops in FFHQ framing, at most ten, each [side, side, 3] uint8."""
    return [align_face(lit(portrait(), light), _alignment(), side) for light in LIGHTS[:count]]
