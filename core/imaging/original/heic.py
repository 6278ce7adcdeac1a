"""HEIC photos through pillow-heif, where it is installed: it brings a decoder that not everybody may ship."""

import importlib.util
import io
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from core.imaging.opening import Limits, check_size
from core.imaging.original.exif import allowed_exif
from core.imaging.original.photo import Original
from core.imaging.original.space import in_usable_space
from core.imaging.original.xmp import allowed_xmp

_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_MAX_BOX_BYTES = 256


@cache
def available() -> bool:
    """Whether pillow-heif is installed."""
    return importlib.util.find_spec("pillow_heif") is not None


def looks_like_heic(head: bytes) -> bool:
    """Whether a file's first twelve bytes are HEIC's."""
    return head[4:8] == b"ftyp" and head[8:12] in _BRANDS and int.from_bytes(head[:4]) <= _MAX_BOX_BYTES


def is_heic(data: bytes) -> bool:
    """Whether a file begins as HEIC does, and can be read here."""
    return available() and looks_like_heic(data)


def read_heic(data: bytes, limits: Limits) -> Original:
    """Read the primary picture; to be used inside `core.imaging.opening.decoding`.

    Args:
        data: the file's bytes.
        limits: checked before any pixel is decoded.

    Returns:
        8 bits as 8, 10 and 12 bits as 16. libheif has turned it upright: EXIF's orientation says nothing here.

    Raises:
        ImageTooLargeError: over a limit.
    """
    import pillow_heif

    heif = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
    width, height = heif.size
    check_size(width, height, limits)
    pixels = np.array(np.asarray(heif))
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    pixels, profile = in_usable_space(pixels, heif.info.get("icc_profile"))
    return Original(
        pixels=pixels,
        file_format="heic",
        profile=profile,
        exif=_exif(heif.info.get("exif")),
        xmp=allowed_xmp(heif.info.get("xmp") or b""),
        lossless=False,
    )


def write_heic(pixels: np.ndarray, *, profile: bytes | None, exif: bytes, xmp: bytes, quality: int) -> bytes:
    """Write a HEIC file.

    Args:
        pixels: [H, W, 3 or 4] uint8, or uint16 of which 10 bits are kept.
        profile: ICC.
        exif: a TIFF structure; may be empty.
        xmp: a packet; may be empty.
        quality: 0 … 100.
    """
    import pillow_heif

    mode = ("RGB" if pixels.shape[2] == 3 else "RGBA") + (";16" if pixels.dtype == np.uint16 else "")
    heif = pillow_heif.from_bytes(mode, (pixels.shape[1], pixels.shape[0]), np.ascontiguousarray(pixels).tobytes())
    carried: dict[str, Any] = {"exif": b"Exif\x00\x00" + exif if exif else None, "xmp": xmp or None}
    if profile:
        heif[0].info.update(icc_profile=profile, icc_profile_type="prof")
    buffer = io.BytesIO()
    heif.save(buffer, quality=quality, chroma=444, **carried)
    return buffer.getvalue()


def _exif(stored: bytes | None) -> bytes:
    source = Image.Exif()
    try:
        source.load(stored or b"")
    except Exception:  # broken EXIF raises anything: the pixels are none the worse
        return b""
    return allowed_exif(source)
