"""Photos to send: of one face that ships with scikit-image (public domain), so that dlib finds it."""

import io
import zipfile

import numpy as np
from skimage.data import coffee

from cli.demo_pictures import LIGHTS, lit, portrait
from core.imaging.degrade import degrade
from core.imaging.intake import encode
from core.imaging.resize import resize


def album_photos(count: int = 6) -> dict[str, bytes]:
    """Different pictures of the same person, at most ten, so unlike that curation takes none for another's copy."""
    lights = LIGHTS[:count]
    return {f"photo-{number}.jpg": encode(lit(portrait(), light), "jpeg", 90) for number, light in enumerate(lights)}


def degraded_photos(count: int) -> list[bytes]:
    """Bad photos of the person, each bad in its own way."""
    rng = np.random.default_rng(11)
    return [
        encode(degrade(portrait(), "noise", np.random.default_rng(rng.integers(2**32))), "png") for _ in range(count)
    ]


def two_faces() -> bytes:
    """A photo of the person beside their smaller mirror image, [400, 720, 3]."""
    other = np.full((400, 320, 3), 128, np.uint8)
    other[40:360] = resize(np.ascontiguousarray(portrait()[:, ::-1]), 320)
    return encode(np.concatenate([portrait(), other], axis=1), "jpeg", 92)


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
