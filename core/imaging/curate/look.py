"""From an album photo's bytes to its faces, as its owner sent it: whole, cut out already, or of an animal."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from core.imaging.align import aligned_crop
from core.imaging.curate.candidate import AlbumCandidate, CandidateFace, candidate_of, small
from core.imaging.faces.open import FinderChoice
from core.imaging.intake import Limits, decode_photo
from core.imaging.resize import resize

_CROP_PER_RESOLUTION, _RECOGNISED_PIXELS = 2, 256
"""A crop of twice the prior's side is enough to tell what is sharp, and one of 256 pixels, to tell who it is."""


@dataclass(frozen=True)
class Look:
    """How an album's photos are looked at.

    Attributes:
        resolution: the prior's, in pixels.
        person: False for cats, dogs and things: the middle square of a photo is what counts, and nobody is recognised.
        finder: of faces.
        limits: on what is decoded.
        decode: from a file's bytes to its pixels; who takes photos from strangers decodes them in a `DecodePool`.
    """

    resolution: int
    person: bool = True
    finder: FinderChoice = field(default_factory=FinderChoice)
    limits: Limits = field(default_factory=Limits)
    decode: Callable[[bytes, Limits], np.ndarray] = decode_photo

    def at(self, label: str, data: bytes, aligned: bool = False) -> AlbumCandidate:
        """Open a photo and cut out what is in it; one photo's pixels at a time are held.

        Args:
            label: the photo's.
            data: the file.
            aligned: it is a face crop in FFHQ framing.

        Raises:
            BadInputError: it cannot be opened, or is no square where it should be one.
        """
        image = self.decode(data, self.limits)
        most = max(_CROP_PER_RESOLUTION * self.resolution, _RECOGNISED_PIXELS)
        if self.person and not aligned:
            return candidate_of(label, image, self.finder.open(), most)
        crop = aligned_crop(image if aligned else _middle(image))
        return AlbumCandidate(label, (CandidateFace(resize(crop, min(len(crop), most))),), small(image))


def _middle(image: np.ndarray) -> np.ndarray:
    """The largest square around a photo's middle."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]
