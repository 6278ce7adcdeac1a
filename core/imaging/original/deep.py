"""Pictures of 16 bits a channel. Pillow opens them with 8, unless they are grey; OpenCV reads them whole."""

import cv2
import numpy as np
from PIL import Image

from core.domain.errors import ImageUnreadableError, UnsupportedFormatError

_BITS, _PLANES, _EXTRA_SAMPLES = 258, 284, 338
_SEPARATE_PLANES = 2
_UNKNOWN, _PREMULTIPLIED = 0, 1
_DEEP_MODES = ("RGB", "RGBA", "RGBX", "RGBa", "LA")
_PNG_BITS_AT, _PNG_COLOUR_TYPE_AT = 24, 25
_PNG_GREY_ALPHA = 4


def is_deep(picture: Image.Image, data: bytes) -> bool:
    """Whether a picture that Pillow has opened holds 16 bits a channel.

    Args:
        picture: as opened.
        data: the file.
    """
    if picture.mode.startswith("I;16"):
        return True
    if picture.format == "PNG":
        return picture.mode in _DEEP_MODES and data[_PNG_BITS_AT] == 16
    bits = getattr(picture, "tag_v2", {}).get(_BITS, ())
    return picture.mode in _DEEP_MODES and bool(bits) and all(number == 16 for number in bits)


def read_deep(picture: Image.Image, data: bytes) -> np.ndarray:
    """The pixels of a picture that `is_deep`.

    Args:
        picture: loaded; is closed.
        data: the file.

    Returns:
        [H, W, C] uint16; C as in `Original`. PNGs are turned as they are stored, TIFFs upright.

    Raises:
        UnsupportedFormatError: a TIFF with one plane a channel, which OpenCV reads wrongly.
        ImageUnreadableError: OpenCV sees another picture in the file than Pillow does.
    """
    if picture.mode.startswith("I;16"):
        return _grey(picture)
    tags = getattr(picture, "tag_v2", {})
    if tags.get(_PLANES, 1) == _SEPARATE_PLANES:
        raise UnsupportedFormatError(
            "The TIFF stores each channel of 16 bits as a plane of its own.", "Save it with interleaved channels."
        )
    picture.close()  # Pillow's pixels are not needed any more: two copies of a large photo are enough
    pixels: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.shape[:2] != (picture.height, picture.width):
        raise ImageUnreadableError("The photo's 16-bit pixels cannot be decoded.", "Save it anew in another program.")
    if pixels.ndim == 2:
        return np.asarray(pixels[..., None])
    pixels[..., 0], pixels[..., 2] = pixels[..., 2], pixels[..., 0].copy()  # OpenCV has blue first
    if pixels.shape[2] == 3:
        return np.asarray(pixels)
    if picture.format == "PNG":
        return pixels[..., [0, 3]] if data[_PNG_COLOUR_TYPE_AT] == _PNG_GREY_ALPHA else pixels
    kind = (tags.get(_EXTRA_SAMPLES) or (2,))[0]
    if kind == _UNKNOWN:  # a fourth channel that is not said to be alpha
        return pixels[..., :3]
    return _straight(pixels) if kind == _PREMULTIPLIED else pixels


def _grey(picture: Image.Image) -> np.ndarray:
    levels = np.asarray(picture).astype(np.uint16)[..., None]
    transparent = picture.info.get("transparency")
    if not isinstance(transparent, int):
        return levels
    return np.concatenate([levels, np.where(levels == transparent, 0, 65_535).astype(np.uint16)], axis=2)


def _straight(pixels: np.ndarray) -> np.ndarray:
    """Divide premultiplied colours by their alpha; opaque pixels stay as they are, exactly."""
    alpha = pixels[..., 3:]
    if alpha.min() == 65_535:
        return pixels
    colour = pixels[..., :3].astype(np.float64) * 65_535.0 / np.maximum(alpha, 1)
    return np.concatenate([colour.round().clip(0, 65_535).astype(np.uint16), alpha], axis=2)
