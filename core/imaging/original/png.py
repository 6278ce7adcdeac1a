"""PNG chunks: reading those that say how colours are meant, and writing a PNG with the metadata we choose."""

import io
import struct
import zlib
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_END = 33
"""Signature and IHDR."""
_COLOUR_CHUNKS = (b"cHRM", b"gAMA", b"sRGB", b"cICP", b"sBIT")
_MAX_COLOUR_BYTES = 32
_GREY_ALPHA = 4
_INCHES_A_METRE = 1 / 0.0254

Chunk = tuple[bytes, bytes]
"""Name and body."""


def colour_chunks(data: bytes) -> tuple[Chunk, ...]:
    """The chunks before the pixels, other than the ICC profile, that say how the numbers are meant."""
    found = {}
    for name, body in _chunks(data):
        if name == b"IDAT":
            break
        if name in _COLOUR_CHUNKS and len(body) <= _MAX_COLOUR_BYTES:
            found[name] = body
    return tuple(found.items())


def write_png(
    pixels: np.ndarray,
    *,
    profile: bytes | None,
    exif: bytes,
    xmp: bytes,
    dpi: tuple[float, float] | None,
    colour: Sequence[Chunk],
) -> bytes:
    """Write a PNG.

    Args:
        pixels: [H, W, 1 … 4] uint8 or uint16.
        profile: ICC.
        exif: a TIFF structure; may be empty.
        xmp: a packet; may be empty.
        dpi: horizontal, vertical.
        colour: what `colour_chunks` found.
    """
    bare = _bare(pixels)
    before: list[Chunk] = [
        chunk
        for chunk in colour
        if not (profile and chunk[0] == b"sRGB")  # either one, says PNG
        and not (chunk[0] == b"sBIT" and len(chunk[1]) != pixels.shape[2])  # of channels that are not these
    ]
    if profile:
        before.append((b"iCCP", b"ICC profile\x00\x00" + zlib.compress(profile)))
    if dpi:
        before.append((b"pHYs", struct.pack(">LLB", *(round(number * _INCHES_A_METRE) for number in dpi), 1)))
    if exif:
        before.append((b"eXIf", exif))
    if xmp:
        before.append((b"iTXt", b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + xmp))
    return b"".join([bare[:_HEADER_END], *(_chunk(*chunk) for chunk in before), bare[_HEADER_END:]])


def _bare(pixels: np.ndarray) -> bytes:
    """A PNG without metadata, from the encoder that knows the kind of pixels."""
    channels = pixels.shape[2]
    if pixels.dtype == np.uint8:
        buffer = io.BytesIO()
        Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(buffer, "PNG")
        return buffer.getvalue()
    if channels == 2:
        return _grey_alpha(pixels)
    if channels >= 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR if channels == 3 else cv2.COLOR_RGBA2BGRA)
    return bytes(cv2.imencode(".png", pixels)[1])


def _grey_alpha(pixels: np.ndarray) -> bytes:
    """Neither Pillow nor OpenCV writes grey with alpha at 16 bits; unfiltered rows are little code."""
    height, width = pixels.shape[:2]
    rows = np.zeros((height, 1 + width * 4), np.uint8)
    rows[:, 1:] = pixels.astype(">u2").reshape(height, -1).view(np.uint8)
    header = struct.pack(">LLBBBBB", width, height, 16, _GREY_ALPHA, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">L", len(body)) + name + body + struct.pack(">L", zlib.crc32(name + body))


def _chunks(data: bytes) -> Iterator[Chunk]:
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        (size,) = struct.unpack_from(">L", data, at)
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        at += size + 12
