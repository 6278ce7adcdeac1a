"""From bytes that somebody sent to pixels: limits first, decoding after."""

import io
from typing import Literal

import numpy as np
from PIL import Image, ImageCms

from core.imaging.opening import Limits, decoding, opened
from core.imaging.original.reading import read_original, send_what
from core.imaging.signature import HEAD_BYTES, HEIC, media_type_of
from core.imaging.upright import orientation_of, turn

__all__ = ["FORMATS", "Limits", "decode_photo", "encode"]

FORMATS = ("JPEG", "PNG", "WEBP")
"""Pillow tries dozens of formats; these we open here. Phones' MPO (JPEGs with a second frame) pass as JPEG."""

_BY_READING = ("image/tiff", HEIC)
"""Of these the working copy of the original is taken: deep TIFFs and HEIC are not Pillow's."""


def decode_photo(data: bytes, limits: Limits | None = None) -> np.ndarray:
    """Decode a photo to 8-bit sRGB, upright.

    EXIF orientation is applied, embedded colour profiles are converted, transparency is laid on white, 16-bit and
    CMYK files are converted. Every failure of a decoder becomes one of the errors below.

    Args:
        data: the file's bytes.
        limits: checked before any pixel is decoded.

    Returns:
        [H, W, 3] uint8 RGB.

    Raises:
        UnsupportedFormatError: none of `core.imaging.signature.kinds`, an animation, or several pages.
        ImageTooLargeError: over a limit.
        ImageUnreadableError: broken, e.g. cut off.
    """
    limits = limits or Limits()
    if media_type_of(data[:HEAD_BYTES]) in _BY_READING:
        return read_original(data, limits).working
    with decoding(data, limits, send_what()), opened(data, limits, FORMATS) as picture:
        picture.load()
        return turn(np.asarray(_to_srgb(picture)), orientation_of(picture))


def _to_srgb(picture: Image.Image) -> Image.Image:
    profile = picture.info.get("icc_profile")
    if picture.mode.startswith("I") or picture.mode == "F":
        # 16-bit greyscale: Pillow's own conversion would cut at 255 instead of scaling.
        levels = np.asarray(picture).astype(np.float64)
        return Image.fromarray((levels.clip(0, 65535) / 257.0).round().astype(np.uint8)).convert("RGB")
    if picture.mode == "P" or picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(white, rgba).convert("RGB")
    if profile and picture.mode in ("RGB", "L", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            converted = None  # a broken profile, or one of another colour space: the pixels as they are
        if converted is not None:
            return converted
    return picture.convert("RGB")


def encode(image: np.ndarray, file_format: Literal["png", "jpeg", "webp"] = "png", quality: int = 95) -> bytes:
    """Encode pixels, without any metadata.

    Args:
        image: [H, W, 3] uint8; or [H, W], grey.
        file_format: png and webp are lossless, jpeg is not.
        quality: of the JPEG, 1 … 100.
    """
    buffer = io.BytesIO()
    picture = Image.fromarray(image)
    if file_format == "jpeg":
        picture.save(buffer, "JPEG", quality=quality, subsampling=0)
    elif file_format == "webp":
        picture.save(buffer, "WEBP", lossless=True)
    else:
        picture.save(buffer, "PNG")
    return buffer.getvalue()
