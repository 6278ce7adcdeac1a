"""From bytes that somebody sent to pixels: limits first, decoding after."""

import io
import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from core.domain.errors import BadInputError, ImageTooLargeError, ImageUnreadableError, UnsupportedFormatError

FORMATS = ("JPEG", "PNG", "WEBP")
"""Pillow tries dozens of formats; these are the ones we open. Phones' MPO (JPEGs with a second frame) pass as JPEG."""

_SEND_WHAT = "Send a JPEG, PNG or WebP photo."


@dataclass(frozen=True)
class Limits:
    """What is refused before it is decoded.

    Attributes:
        max_pixels: width × height.
        max_side_pixels: of either side.
        max_bytes: of the file.
    """

    max_pixels: int = 50_000_000
    max_side_pixels: int = 12_000
    max_bytes: int = 100 * 2**20


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
        UnsupportedFormatError: not a JPEG, PNG or WebP, or an animation.
        ImageTooLargeError: over a limit.
        ImageUnreadableError: broken, e.g. cut off.
    """
    limits = limits or Limits()
    if len(data) > limits.max_bytes:
        raise ImageTooLargeError(
            f"The file has {len(data) / 2**20:.0f} MB, allowed are {limits.max_bytes / 2**20:.0f}.",
            "Send a smaller copy.",
        )
    if not data:
        raise ImageUnreadableError("The file is empty.", _SEND_WHAT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own bomb warning comes late and is global; our limits are here
            return _decode(data, limits)
    except BadInputError:
        raise
    except UnidentifiedImageError as error:
        raise UnsupportedFormatError("The file is not a photo in a format that is read here.", _SEND_WHAT) from error
    except (MemoryError, Image.DecompressionBombError) as error:
        raise ImageTooLargeError("The photo needs more memory than is allowed.", "Send a smaller copy.") from error
    except Exception as error:  # decoders raise nine kinds of exception on broken files: one boundary for all
        raise ImageUnreadableError(
            "The photo is damaged and cannot be decoded to its end.",
            "Send it again, or save it anew in another program.",
        ) from error


def _decode(data: bytes, limits: Limits) -> np.ndarray:
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        width, height = picture.size
        if width * height > limits.max_pixels or max(width, height) > limits.max_side_pixels:
            raise ImageTooLargeError(
                f"The photo has {width} × {height} pixels; allowed are {limits.max_pixels / 1e6:.0f} megapixels and "
                f"{limits.max_side_pixels:,} pixels a side.",
                "Send a smaller copy.",
            )
        if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
            raise UnsupportedFormatError("The file is an animation, not a photo.", "Send one frame as JPEG or PNG.")
        picture.load()
        upright = ImageOps.exif_transpose(picture)
        return np.asarray(_to_srgb(upright))


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
        image: [H, W, 3] uint8.
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
