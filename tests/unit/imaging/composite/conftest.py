import numpy as np
import pytest

from core.imaging.align import align_face, alignment_of_face
from core.imaging.composite import Patch, outline_of
from core.imaging.faces import DlibFaceFinder


@pytest.fixture(scope="session")
def face(portrait):
    (face,) = DlibFaceFinder().find(portrait)
    return face


@pytest.fixture
def patch(portrait, face):
    """The astronaut's own face, unrestored: what goes back must be what came."""
    return patch_of(portrait, face)


def patch_of(photo, face, change=lambda crop: crop, size=None, **options):
    """A patch of a face, its crop changed as a restoration would."""
    alignment = alignment_of_face(face)
    crop = align_face(photo, alignment, size or round(alignment.side_pixels))
    if crop.dtype == np.uint16:
        crop = (crop / 257.0).round().astype(np.uint8)
    return Patch(alignment, change(crop), outline_of(alignment, face), **{"seed": 0, **options})
