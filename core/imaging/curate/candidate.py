"""An album photo as curation sees it: every face in it, cut out, or why it cannot be looked at."""

from dataclasses import dataclass

import cv2
import numpy as np

from core.domain.errors import BadInputError
from core.imaging.align import MAX_CROP_PIXELS, MIN_CROP_PIXELS, align_face, alignment_of_face
from core.imaging.faces import Face, FaceFinder

_PICTURE_PIXELS = 128


@dataclass(frozen=True, eq=False)
class CandidateFace:
    """One face of an album photo.

    Attributes:
        crop: FFHQ framing, [S, S, 3] uint8, S as many pixels as the photo has there.
        face: as it was found; None where the photo was sent as a crop.
    """

    crop: np.ndarray
    face: Face | None = None


@dataclass(frozen=True, eq=False)
class AlbumCandidate:
    """One photo that somebody put into an album.

    Attributes:
        label: the photo's; shown, never interpreted.
        faces: all plausible ones, because in a group photo the person need not be the largest.
        picture: the whole photo, small, [h, w, 3] uint8: its thumbnail where no face is chosen.
        problem: why it could not be opened; then there are no faces.
        wanted: a person insists on it: it is kept if it has a face that can be restored.
    """

    label: str
    faces: tuple[CandidateFace, ...] = ()
    picture: np.ndarray | None = None
    problem: BadInputError | None = None
    wanted: bool = False


def candidate_of(
    label: str, image: np.ndarray, finder: FaceFinder, most_pixels: int = MAX_CROP_PIXELS, wanted: bool = False
) -> AlbumCandidate:
    """Find a photo's faces and cut them out.

    Args:
        label: the photo's.
        image: [H, W, 3] uint8, upright.
        finder: of faces.
        most_pixels: of a crop's side; larger ones are cut smaller. Twice the prior's resolution is enough to tell
            what is sharp.
        wanted: see `AlbumCandidate`.
    """
    faces = []
    for face in finder.find(image):
        alignment = alignment_of_face(face)
        side = int(np.clip(round(alignment.side_pixels), MIN_CROP_PIXELS, max(most_pixels, MIN_CROP_PIXELS)))
        faces.append(CandidateFace(align_face(image, alignment, side), face))
    return AlbumCandidate(label, tuple(faces), small(image), wanted=wanted)


def small(image: np.ndarray, longest_pixels: int = _PICTURE_PIXELS) -> np.ndarray:
    """A copy whose longer side is at most so long: [h, w, 3] uint8."""
    height, width = image.shape[:2]
    scale = min(1.0, longest_pixels / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return image if scale == 1.0 else np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
