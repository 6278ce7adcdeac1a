"""Reading a photo's original: the pixels as they are, upright, with what a result has to carry on."""

import io
import math

import numpy as np
from PIL import Image, ImageCms, JpegImagePlugin

from core.domain.errors import UnsupportedFormatError
from core.imaging.opening import Limits, decoding, opened
from core.imaging.original import heic
from core.imaging.original.deep import is_deep, read_deep
from core.imaging.original.exif import exif_of
from core.imaging.original.photo import FileFormat, JpegEncoding, Original
from core.imaging.original.png import colour_chunks
from core.imaging.original.space import in_usable_space
from core.imaging.original.xmp import allowed_xmp
from core.imaging.signature import kinds
from core.imaging.upright import orientation_of, turn

_FORMATS: dict[str, FileFormat] = {"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png", "WEBP": "webp", "TIFF": "tiff"}
_OPENED = ("JPEG", "PNG", "WEBP", "TIFF")
"""A phone's MPO is opened as a JPEG; Pillow renames it when it sees the second frame."""
_MAX_DPI = 65_535
_RIFF_HEADER_BYTES = 12
_LYING = 5
"""From this EXIF orientation on, height and width change places."""
_HALF_ACROSS = 1
"""Chroma subsampling 4:2:2, as Pillow counts."""


def read_original(data: bytes, limits: Limits | None = None) -> Original:
    """Read a JPEG, PNG, WebP or TIFF photo, or HEIC where pillow-heif is installed.

    Grey, RGB and alpha stay what they are, at 8 or 16 bits, in their own colour space; palettes and bilevel pictures
    become colours and grey. CMYK, Lab and YCbCr have no place in the formats written here and become 8-bit sRGB, as
    does what a profile describes that has no way back. Orientation is applied. Of EXIF and XMP the allow-lists' part
    is taken along.

    Args:
        data: the file's bytes.
        limits: checked before any pixel is decoded.

    Raises:
        UnsupportedFormatError: another format, an animation, several pages, or numbers that are no picture's.
        ImageTooLargeError: over a limit.
        ImageUnreadableError: broken, e.g. cut off.
    """
    limits = limits or Limits()
    with decoding(data, limits, send_what()):
        if heic.is_heic(data):
            return heic.read_heic(data, limits)
        with opened(data, limits, _OPENED) as picture:
            return _read(picture, data)


def read_with_working(data: bytes, limits: Limits | None = None) -> Original:
    """Read an original and make its working copy at once: for a process that does both for another one."""
    original = read_original(data, limits)
    _ = original.working  # kept in the instance, and pickled with it
    return original


def working_copy(data: bytes, limits: Limits | None = None) -> np.ndarray:
    """What models see of a photo: `Original.working` alone; arguments and errors as for `read_original`."""
    return read_original(data, limits).working


def send_what() -> str:
    """Advice for somebody whose file is not a photo that is read here."""
    return f"Send a {kinds()} photo."


def _read(picture: Image.Image, data: bytes) -> Original:
    if picture.mode in ("F", "I") or (picture.mode.startswith("I;") and not picture.mode.startswith("I;16")):
        raise UnsupportedFormatError("The photo has 32 bits a channel.", "Save it with 16 bits.")
    file_format = _FORMATS[picture.format or ""]
    # Decoded by Pillow even where OpenCV's pixels are taken: Pillow notices when a file was cut off. And decoded first,
    # for a PNG's EXIF may stand behind its pixels; only a TIFF's is out of reach afterwards.
    if file_format != "tiff":
        picture.load()
    exif, orientation = exif_of(picture), orientation_of(picture)
    jpeg = _jpeg_encoding(picture, lying=orientation >= _LYING) if file_format == "jpeg" else None
    picture.load()
    profile = picture.info.get("icc_profile")
    if is_deep(picture, data):
        pixels = read_deep(picture, data)
    else:
        pixels, profile = _eight_bits(picture, profile)
    own = pixels
    pixels, profile = in_usable_space(own, profile)
    # Where the profile was applied, the numbers are others than those that the chunks describe.
    colour = colour_chunks(data) if file_format == "png" and pixels is own else ()
    if file_format != "tiff":  # of which both decoders apply the orientation themselves
        pixels = turn(pixels, orientation)
    return Original(
        pixels=np.ascontiguousarray(pixels),
        file_format=file_format,
        profile=profile,
        exif=exif,
        xmp=allowed_xmp(_bytes(picture.info.get("xmp"))),
        dpi=_dpi(picture.info.get("dpi")),
        jpeg=jpeg,
        lossless=file_format in ("png", "tiff") or (file_format == "webp" and _is_lossless_webp(data)),
        colour_chunks=colour,
    )


def _eight_bits(picture: Image.Image, profile: bytes | None) -> tuple[np.ndarray, bytes | None]:
    """The pixels, [H, W, C] uint8, and the profile they are in."""
    if picture.mode in ("CMYK", "LAB", "YCbCr"):
        return _to_srgb(picture, profile), None
    if picture.has_transparency_data or picture.mode in ("PA", "La"):
        grey = picture.mode in ("L", "1", "LA", "La")
        picture = picture.convert("RGBA" if not grey else "LA")
    elif picture.mode not in ("L", "RGB"):
        picture = picture.convert("L" if picture.mode == "1" else "RGB")
    pixels = np.asarray(picture)
    return pixels if pixels.ndim == 3 else pixels[..., None], profile


def _to_srgb(picture: Image.Image, profile: bytes | None) -> np.ndarray:
    srgb = ImageCms.createProfile("sRGB")
    try:
        source = (
            ImageCms.createProfile("LAB")
            if picture.mode == "LAB"
            else ImageCms.ImageCmsProfile(io.BytesIO(profile or b""))
        )
        return np.asarray(ImageCms.profileToProfile(picture, source, srgb, outputMode="RGB"))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return np.asarray(picture.convert("RGB"))  # no profile, or a broken one: the plain formula


def _jpeg_encoding(picture: Image.Image, *, lying: bool) -> JpegEncoding | None:
    """How it was compressed; turned as its pixels are, where height and width change places."""
    tables = getattr(picture, "quantization", None)
    if not tables:
        return None
    if lying:
        tables = {key: np.reshape(table, (8, 8)).T.ravel() for key, table in tables.items()}
    subsampling = JpegImagePlugin.get_sampling(picture)
    if lying and subsampling == _HALF_ACROSS:
        subsampling = 0  # half down cannot be asked for: better nothing is thrown away than the other half
    return JpegEncoding(
        # Baseline JPEG has 8 bits for each number; tables that use more were made by nothing that takes photos.
        tuple(tuple(min(255, int(number)) for number in tables[key]) for key in sorted(tables)),
        subsampling if subsampling >= 0 else 0,  # an unusual one, e.g. 4:4:0: nothing is thrown away then
        bool(picture.info.get("progressive")),
    )


def _dpi(stated: object) -> tuple[float, float] | None:
    try:
        across, down = (float(number) for number in stated)  # type: ignore[attr-defined]  # anything: the file says it
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    sound = all(math.isfinite(number) and 1 <= number <= _MAX_DPI for number in (across, down))
    return (across, down) if sound else None


def _is_lossless_webp(data: bytes) -> bool:
    """Whether the pixels lie in a chunk of the lossless kind; a colour profile of any length may stand before it."""
    at = _RIFF_HEADER_BYTES
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name in (b"VP8L", b"VP8 "):
            return name == b"VP8L"
        at += 8 + size + size % 2
    return False


def _bytes(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    return value if isinstance(value, bytes) else b""
