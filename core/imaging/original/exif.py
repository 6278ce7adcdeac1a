"""EXIF through an allow-list: what says how, when and by whom a photo was taken, and nothing else.

Left out on purpose: maker notes (anything may lie in them), thumbnails (they would show the photo as it was before),
serial numbers and the camera's owner, and every tag about how the old file stored its pixels.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from PIL import Image

IMAGE, EXIF, GPS, INTEROP = 0, 0x8769, 0x8825, 0xA005
"""The directories: the image's own, and the tags that point to the others."""

ORIENTATION, WIDTH, HEIGHT = 0x0112, 0xA002, 0xA003

_ALLOWED: dict[int, frozenset[int]] = {
    # Description, make, model, resolution (3), software, date, artist, host, copyright, Windows' title … subject
    IMAGE: frozenset(
        (0x010E, 0x010F, 0x0110, 0x011A, 0x011B, 0x0128, 0x0131, 0x0132, 0x013B, 0x013C, 0x8298, *range(0x9C9B, 0x9CA0))
    ),
    EXIF: frozenset(
        (
            *(0x829A, 0x829D, 0x8822, 0x8827, 0x8830, 0x8831, 0x8832),  # exposure, aperture, programme, sensitivity
            *(0x9000, 0x9003, 0x9004, 0x9010, 0x9011, 0x9012, 0x9290, 0x9291, 0x9292),  # version, dates and their zones
            *range(
                0x9201, 0x920B
            ),  # shutter, aperture, brightness, bias, distance, metering, light, flash, focal length
            *(0x9286, 0xA001),  # the user's comment, the colour space
            *(0xA20E, 0xA20F, 0xA210, 0xA215, 0xA217, 0xA300, 0xA301),  # the sensor
            *range(0xA401, 0xA407),  # rendering, exposure mode, white balance, zoom, 35 mm, scene
            *(0xA407, 0xA408, 0xA409, 0xA40A, 0xA40C),  # gain, contrast, saturation, sharpness, distance range
            *(0xA432, 0xA433, 0xA434, 0xA460),  # the lens, composite image
        )
    ),
    GPS: frozenset(range(0x20)),
}

_MAX_VALUE_BYTES = 4_000
_MAX_BYTES = 60_000
"""A JPEG holds EXIF in one segment of 65,533 bytes."""

Tags = dict[int, dict[int, Any]]
"""Directory → tag → value, as Pillow reads them."""


def exif_of(picture: Image.Image) -> bytes:
    """What the allow-list leaves of an opened file's EXIF; nothing where it is broken."""
    try:
        return allowed_exif(picture.getexif())
    except Exception:  # broken EXIF raises anything: the pixels are none the worse
        return b""


def allowed_exif(source: Image.Exif) -> bytes:
    """What the allow-list leaves, encoded anew; broken tags are left out.

    Args:
        source: the EXIF as Pillow reads it.

    Returns:
        A TIFF structure; empty where nothing is left.
    """
    tags = {directory: _sound(_directory(source, directory), allowed) for directory, allowed in _ALLOWED.items()}
    encoded = encode_exif(tags)
    while len(encoded) > _MAX_BYTES:
        directory, tag = max(
            ((directory, tag) for directory in tags for tag in tags[directory]),
            key=lambda at: _size(tags[at[0]][at[1]]),
        )
        del tags[directory][tag]
        encoded = encode_exif(tags)
    return encoded


def read_exif(encoded: bytes) -> Tags:
    """Decode what `allowed_exif` gave."""
    source = Image.Exif()
    source.load(encoded)
    # Not the pointers: each directory stands beside the others here.
    found = {directory: _directory(source, directory) for directory in _ALLOWED}
    return {
        directory: {tag: tags[tag] for tag in tags if tag in _ALLOWED[directory]} for directory, tags in found.items()
    }


def encode_exif(tags: Tags) -> bytes:
    """Encode as a TIFF structure without the `Exif` signature; empty where there are no tags."""
    encoded = Image.Exif()
    for tag, value in tags.get(IMAGE, {}).items():
        encoded[tag] = value
    for directory in (EXIF, GPS):
        if tags.get(directory):
            encoded[directory] = tags[directory]
    return encoded.tobytes().removeprefix(b"Exif\x00\x00") if len(encoded) else b""


def _directory(source: Image.Exif, directory: int) -> Mapping[int, Any]:
    try:
        return source if directory == IMAGE else source.get_ifd(directory)
    except Exception:  # a directory that points nowhere raises anything: it holds nothing then
        return {}


def _sound(tags: Mapping[int, Any], allowed: Iterable[int]) -> dict[int, Any]:
    return {tag: value for tag in sorted(allowed) if (value := _value(tags, tag)) is not None and _encodes(tag, value)}


def _value(tags: Mapping[int, Any], tag: int) -> Any:  # noqa: ANN401  # EXIF values are of a dozen types
    try:
        value = tags.get(tag)
        numbers = value if isinstance(value, tuple) else (value,)
        if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
            return None
        return value if _size(value) <= _MAX_VALUE_BYTES else None
    except Exception:  # Pillow decodes a value when it is asked for it, and a broken one raises then
        return None


def _size(value: Any) -> int:  # noqa: ANN401  # as above
    if isinstance(value, str | bytes):
        return len(value)
    return 8 * len(value) if isinstance(value, tuple) else 8


def _encodes(tag: int, value: Any) -> bool:  # noqa: ANN401  # as above
    try:
        return bool(encode_exif({IMAGE: {tag: value}}))
    except Exception:  # a value of a type that its tag cannot have
        return False
