"""The demo's pictures, all made from one public-domain portrait that comes with a dependency.

An album of one picture's variants is no album: a person's real one holds other moments of the same face. It is enough
to show every step, and the demo says so.
"""

import io
import zipfile
from dataclasses import dataclass

import cv2
import numpy as np
from skimage.data import astronaut  # public domain (NASA), ships inside scikit-image

from core.imaging.align import align_face, alignment_of, largest_face_crop
from core.imaging.degrade import degrade
from core.imaging.faces import DlibFaceFinder
from core.imaging.intake import encode
from core.imaging.resize import resize

ALBUM_PHOTOS = 8
LIGHTS = (30, 34, 36, 4, 14, 16, 3, 24, 5, 33)
"""Numbers for `lit` of which no two make the portrait look like one moment: an album's copies are left out."""
SHEET_SIDE_PIXELS = 384
_SEED = 7


@dataclass(frozen=True)
class DemoPhoto:
    """The photo that is restored.

    Attributes:
        bad: [H, W, 3] uint8, degraded.
        original: [S, S, 3] uint8, the face before it was.
    """

    bad: np.ndarray
    original: np.ndarray


def demo_photo() -> DemoPhoto:
    """The portrait, made bad: blur, half to a quarter of the pixels, noise, JPEG."""
    clean = np.ascontiguousarray(astronaut())
    truth = largest_face_crop(clean, DlibFaceFinder())
    bad = degrade(clean, "mix", np.random.default_rng(_SEED), truth.alignment.side_pixels)
    return DemoPhoto(bad, align_face(clean, alignment_of(truth.face.landmarks), SHEET_SIDE_PIXELS))


def demo_album() -> bytes:
    """A zip of the portrait in variants: lit from all sides, turned, nearer and farther, softer, mirrored."""
    clean = portrait()
    rng = np.random.default_rng(_SEED)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(ALBUM_PHOTOS):
            archive.writestr(f"{number + 1:02}.jpg", encode(_variant(clean, number, rng), "jpeg", 92))
    return packed.getvalue()


def portrait() -> np.ndarray:
    """The portrait without its surroundings, [400, 400, 3] uint8."""
    return np.ascontiguousarray(astronaut()[:400, 30:430])


def lit(picture: np.ndarray, number: int) -> np.ndarray:
    """A picture in a light of its own: bright and dark where it was not.

    Args:
        picture: [H, W, 3] uint8.
        number: of the light; equal numbers, equal lights.
    """
    height, width = picture.shape[:2]
    coarse = np.random.default_rng(number).normal(0.0, 0.4, (6, 6)).astype(np.float32)
    light = np.exp(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
    return np.asarray((picture * light[..., None]).clip(0, 255).astype(np.uint8))


def side_by_side(before: np.ndarray, restored: np.ndarray, original: np.ndarray) -> bytes:
    """A PNG of three faces, each [·, ·, 3] uint8."""
    return encode(np.hstack([resize(picture, SHEET_SIDE_PIXELS) for picture in (before, restored, original)]))


def _variant(clean: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    height, width = clean.shape[:2]
    turn = cv2.getRotationMatrix2D((195, 130), float(rng.uniform(-12, 12)), float(rng.uniform(0.9, 1.3)))
    picture = lit(clean, LIGHTS[number])
    picture = np.asarray(cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101))
    if number % 4 == 3:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.8))
    return np.ascontiguousarray(picture[:, ::-1] if number % 2 else picture)
