"""Photos to send: of one face that ships with scikit-image (public domain), so that dlib finds it."""

import io
import zipfile
from functools import cache

import cv2
import numpy as np
from skimage.data import astronaut, coffee

from core.imaging.degrade import degrade
from core.imaging.intake import encode


@cache
def portrait() -> np.ndarray:
    """A whole photo with one face, [400, 400, 3] uint8."""
    return np.ascontiguousarray(astronaut()[:400, 30:430])


def album_photos(count: int = 6) -> dict[str, bytes]:
    """Different pictures of the same person: light, turn and size vary."""
    photos = {}
    for number in range(count):
        turn = cv2.getRotationMatrix2D((200, 150), 6 * (number - count // 2), 1.0 + 0.05 * number)
        turned = cv2.warpAffine(portrait(), turn, (400, 400), borderMode=cv2.BORDER_REFLECT_101)
        lit = np.clip(turned.astype(np.float32) * (0.8 + 0.07 * number), 0, 255).astype(np.uint8)
        photos[f"photo-{number}.jpg"] = encode(lit, "jpeg", 92)
    return photos


def degraded_photos(count: int) -> list[bytes]:
    """Bad photos of the person, each bad in its own way."""
    rng = np.random.default_rng(11)
    return [
        encode(degrade(portrait(), "noise", np.random.default_rng(rng.integers(2**32))), "png") for _ in range(count)
    ]


def without_a_face() -> bytes:
    """A photo of a cup of coffee."""
    return encode(np.ascontiguousarray(coffee()), "jpeg", 90)


def zipped(files: dict[str, bytes]) -> bytes:
    """One zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()
