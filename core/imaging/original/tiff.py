"""Writing a TIFF (6.0) at 8 or 16 bits. Pillow writes no 16-bit colour, and OpenCV no metadata; the format is small."""

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2

_STRIP_BYTES = 2**18
"""Uncompressed. Many strips, so that no reader needs the whole picture at once."""

_DEFLATE, _HORIZONTAL_DIFFERENCE, _INCH = 8, 2, 2
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _OFFSETS = 256, 257, 258, 259, 262, 273
_ORIENTATION, _SAMPLES, _ROWS, _COUNTS, _X_RESOLUTION, _Y_RESOLUTION = 274, 277, 278, 279, 282, 283
_PLANES, _UNIT, _PREDICTOR, _EXTRA_SAMPLES, _XMP, _ICC = 284, 296, 317, 338, 700, 34675
_NOT_PREMULTIPLIED = 2
_BYTE, _UNDEFINED = 1, 7


def write_tiff(
    pixels: np.ndarray,
    *,
    profile: bytes | None,
    tags: Mapping[int, Any],
    xmp: bytes,
    dpi: tuple[float, float] | None,
) -> bytes:
    """Write a TIFF: interleaved, deflated with the horizontal predictor, little-endian.

    Args:
        pixels: [H, W, 1 … 4] uint8 or uint16.
        profile: ICC.
        tags: further tags of the image's own directory; a mapping as a value becomes a directory of its own.
        xmp: a packet; may be empty.
        dpi: horizontal, vertical.
    """
    height, width, channels = pixels.shape
    rows = max(1, _STRIP_BYTES // (width * channels * pixels.itemsize))
    strips = [_strip(pixels[top : top + rows]) for top in range(0, height, rows)]
    directory = ImageFileDirectory_v2()
    for tag, value in tags.items():
        directory[tag] = value
    directory[_WIDTH], directory[_HEIGHT] = width, height
    directory[_BITS] = (8 * pixels.itemsize,) * channels
    directory[_COMPRESSION], directory[_PREDICTOR] = _DEFLATE, _HORIZONTAL_DIFFERENCE
    directory[_PHOTOMETRIC] = 2 if channels >= 3 else 1
    directory[_ORIENTATION] = 1
    directory[_SAMPLES], directory[_PLANES], directory[_ROWS] = channels, 1, rows
    if channels in (2, 4):
        directory[_EXTRA_SAMPLES] = _NOT_PREMULTIPLIED
    if dpi:
        directory[_X_RESOLUTION], directory[_Y_RESOLUTION], directory[_UNIT] = *dpi, _INCH
    for tag, body, kind in ((_XMP, xmp, _BYTE), (_ICC, profile, _UNDEFINED)):
        if body:
            directory.tagtype[tag] = kind
            directory[tag] = body
    sizes = [len(strip) for strip in strips]
    directory[_COUNTS] = tuple(sizes)
    # Counted from the directory's end: Pillow moves this one tag when it lays the directory out.
    directory[_OFFSETS] = tuple(sum(sizes[:index]) for index in range(len(sizes)))
    header = b"II*\x00\x08\x00\x00\x00"
    return b"".join([header, directory.tobytes(len(header)), *strips])


def _strip(rows: np.ndarray) -> bytes:
    """Each sample less its left neighbour's of that channel, modulo its range, deflated (TIFF 6.0, section 14)."""
    differences = rows.copy()
    differences[:, 1:] -= rows[:, :-1]
    return zlib.compress(differences.astype(rows.dtype.newbyteorder("<")).tobytes())
