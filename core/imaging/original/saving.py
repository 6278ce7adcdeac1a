"""Writing the result: the same kind of file as the original, with the metadata that was asked for, and the mark."""

import io
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image

from core.domain.errors import UnsupportedFormatError
from core.imaging.original import heic
from core.imaging.original.exif import EXIF, GPS, HEIGHT, IMAGE, ORIENTATION, WIDTH, Tags, encode_exif, read_exif
from core.imaging.original.photo import FileFormat, Original
from core.imaging.original.png import write_png
from core.imaging.original.space import eight_bits, seen_on_white, to_srgb
from core.imaging.original.tiff import write_tiff
from core.imaging.original.xmp import allowed_xmp, marked_xmp

KeepMetadata = Literal["all", "none", "no-location"]

MEDIA_TYPES: dict[FileFormat, tuple[str, str]] = {
    "jpeg": ("jpg", "image/jpeg"),
    "png": ("png", "image/png"),
    "webp": ("webp", "image/webp"),
    "tiff": ("tif", "image/tiff"),
    "heic": ("heic", "image/heic"),
}
"""Usual suffix and media type of each format."""

_QUALITY = 95
"""Of a lossy file whose original tells nothing about its own: another format, WebP, HEIC."""

_XMP_IN_JPEG = b"http://ns.adobe.com/xap/1.0/\x00"
_MAX_SEGMENT_BYTES = 65_533
_COLOUR_SPACE, _SRGB = 0xA001, 1


@dataclass(frozen=True)
class SavedPhoto:
    """An encoded photo.

    Attributes:
        data: the file.
        file_format: what it is.
        suffix: of its name, without the dot.
        media_type: for HTTP.
    """

    data: bytes
    file_format: FileFormat
    suffix: str
    media_type: str


def save(
    original: Original,
    file_format: FileFormat | None = None,
    *,
    keep_metadata: KeepMetadata = "all",
    generated: bool = True,
) -> SavedPhoto:
    """Encode a photo.

    PNG, TIFF and what came as lossless WebP keep every pixel. A JPEG is compressed with its source's own tables and
    subsampling. Where a format cannot hold something it is converted: 16 bits to 8 (JPEG, WebP), alpha on white
    (JPEG), grey to sRGB (WebP, HEIC).

    Args:
        original: the pixels to write; upright.
        file_format: None is the format it came in.
        keep_metadata: what goes along of EXIF and XMP. The ICC profile and the resolution always do.
        generated: whether a model altered the photo: then XMP says so, whatever `keep_metadata` is.

    Raises:
        UnsupportedFormatError: HEIC is asked for, and pillow-heif is not installed.
    """
    kind = file_format or original.file_format
    converted = _needs_srgb(original, kind)
    pixels, profile = _fitting(original, kind), None if converted else original.profile
    tags = _tags(original, keep_metadata, converted)
    xmp = allowed_xmp(original.xmp, places=keep_metadata == "all") if keep_metadata != "none" else b""
    if generated:
        xmp = marked_xmp(xmp, _MAX_SEGMENT_BYTES - len(_XMP_IN_JPEG) if kind == "jpeg" else 2**20)
    if kind == "tiff":
        own = {
            **tags.get(IMAGE, {}),
            **{directory: tags[directory] for directory in (EXIF, GPS) if tags.get(directory)},
        }
        data = write_tiff(pixels, profile=profile, tags=own, xmp=xmp, dpi=original.dpi)
    else:
        data = _encode(original, kind, pixels, profile, encode_exif(tags), xmp)
    return SavedPhoto(data, kind, *MEDIA_TYPES[kind])


def _needs_srgb(original: Original, kind: FileFormat) -> bool:
    """Whether the format has no grey of its own: its profile would then fit no pixel."""
    return original.colour.shape[2] == 1 and kind in ("webp", "heic")


def _fitting(original: Original, kind: FileFormat) -> np.ndarray:
    """Pixels that the format can hold; what has to be computed is, strip by strip."""
    kept = kind in ("png", "tiff") or (kind == "heic" and not _needs_srgb(original, kind))
    return original.pixels if kept else np.concatenate([_converted(band, kind) for band in original.bands()])


def _converted(band: Original, kind: FileFormat) -> np.ndarray:
    alpha = eight_bits(band.alpha) if band.alpha is not None else None
    colour = to_srgb(band.colour, band.profile) if _needs_srgb(band, kind) else eight_bits(band.colour)
    if kind == "jpeg":
        return seen_on_white(colour, alpha)
    return colour if alpha is None else np.concatenate([colour, alpha], axis=2)


def _tags(original: Original, keep_metadata: KeepMetadata, converted: bool) -> Tags:
    if keep_metadata == "none" or not original.exif:
        return {}
    tags = read_exif(original.exif)
    if keep_metadata == "no-location":
        tags[GPS] = {}
    tags[IMAGE][ORIENTATION] = 1
    tags[EXIF][WIDTH], tags[EXIF][HEIGHT] = original.pixels.shape[1], original.pixels.shape[0]
    if converted:
        tags[EXIF][_COLOUR_SPACE] = _SRGB
    return tags


def _encode(
    original: Original, kind: FileFormat, pixels: np.ndarray, profile: bytes | None, exif: bytes, xmp: bytes
) -> bytes:
    if kind == "png":
        colour = original.colour_chunks if original.file_format == "png" else ()
        return write_png(pixels, profile=profile, exif=exif, xmp=xmp, dpi=original.dpi, colour=colour)
    if kind == "heic":
        if not heic.available():
            raise UnsupportedFormatError("HEIC is not written here.", "Ask for JPEG, or install pillow-heif.")
        return heic.write_heic(pixels, profile=profile, exif=exif, xmp=xmp, quality=_QUALITY)
    options: dict[str, Any] = {"icc_profile": profile} if profile else {}
    if exif:
        options["exif"] = b"Exif\x00\x00" + exif
    buffer = io.BytesIO()
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels))
    if kind == "webp":
        # What was never compressed with loss is not to be now; what was gains nothing from a lossless file.
        loss = {"lossless": True, "exact": True} if original.lossless else {"quality": _QUALITY}
        picture.save(buffer, "WEBP", **loss, **options, xmp=xmp)
    else:
        picture.save(buffer, "JPEG", **_jpeg_options(original), **options, extra=_segment(xmp))
    return buffer.getvalue()


def _jpeg_options(original: Original) -> dict[str, Any]:
    options: dict[str, Any] = {"quality": _QUALITY, "subsampling": 0}
    if original.jpeg:
        options = {"qtables": [list(table) for table in original.jpeg.tables], "subsampling": original.jpeg.subsampling}
        options["progressive"] = original.jpeg.progressive
    if original.dpi:
        options["dpi"] = original.dpi
    return options


def _segment(xmp: bytes) -> bytes:
    """XMP as a JPEG's APP1 segment."""
    body = _XMP_IN_JPEG + xmp
    return b"\xff\xe1" + (len(body) + 2).to_bytes(2) + body if xmp else b""
