"""Sound photos of each kind, which the corpus then damages."""

import importlib.util
import io
import struct
import zlib
from functools import cache

import cv2
import numpy as np
from PIL import Image

from tests.photo_files import noise, saved, wide_profile


def exif_bytes() -> bytes:
    """A little of everything."""
    exif = Image.Exif()
    exif.update({0x010F: "Maker", 0x0112: 6})
    exif[0x8769] = {0x9003: "1987:06:05 04:03:02", 0x927C: b"note" * 50}
    exif[0x8825] = {1: "N", 2: (48.0, 51.0, 29.5)}
    return exif.tobytes()


@cache
def samples() -> dict[str, bytes]:
    """Name → file."""
    colour = Image.fromarray(noise(3, np.uint8, 48, 64))
    alpha = Image.fromarray(noise(4, np.uint8, 48, 64))
    rich = {"exif": exif_bytes(), "icc_profile": wide_profile()}
    found = {
        "jpeg": saved(colour, "JPEG"),
        "progressive jpeg": saved(colour, "JPEG", progressive=True, quality=95),
        "rich jpeg": saved(colour, "JPEG", xmp=b"<x/>", comment=b"hello", **rich),
        "cmyk jpeg": saved(colour.convert("CMYK"), "JPEG"),
        "mpo": saved(colour, "MPO", save_all=True, append_images=[colour]),
        "png": saved(colour, "PNG"),
        "rich png": saved(alpha, "PNG", **rich),
        "palette png": saved(colour.convert("P"), "PNG", transparency=3),
        "deep png": cv2.imencode(".png", noise(3, np.uint16, 48, 64))[1].tobytes(),
        "webp": saved(colour, "WEBP", quality=80),
        "lossless webp": saved(colour, "WEBP", lossless=True),
        "rich webp": saved(alpha, "WEBP", **rich),
        "tiff": saved(colour, "TIFF"),
        "rich tiff": saved(colour, "TIFF", **rich),
        "packed tiff": saved(colour, "TIFF", compression="tiff_lzw"),
        "jpeg tiff": saved(colour, "TIFF", compression="jpeg"),
        "deep tiff": cv2.imencode(".tiff", noise(3, np.uint16, 48, 64))[1].tobytes(),
    }
    if importlib.util.find_spec("pillow_heif"):
        import pillow_heif

        buffer = io.BytesIO()
        pillow_heif.from_pillow(colour).save(buffer, quality=90)
        found["heic"] = buffer.getvalue()
    return found


def chunk(name: bytes, body: bytes) -> bytes:
    """A PNG's."""
    return struct.pack(">L", len(body)) + name + body + struct.pack(">L", zlib.crc32(name + body))


def png(
    width: int, height: int, depth: int = 8, colour: int = 2, pixels: bytes | None = None, extra: bytes = b""
) -> bytes:
    """A PNG that says it is so large, with as many bytes of pixels as are given."""
    header = chunk(b"IHDR", struct.pack(">LLBBBBB", width, height, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"" if pixels is None else pixels, 9))
    return b"\x89PNG\r\n\x1a\n" + header + extra + body + chunk(b"IEND", b"")


def segment(marker: int, body: bytes) -> bytes:
    """A JPEG's."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def into_jpeg(*segments: bytes) -> bytes:
    """The sample JPEG with segments right after its start."""
    plain = samples()["jpeg"]
    return plain[:2] + b"".join(segments) + plain[2:]


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    """A RIFF of WebP chunks."""
    body = b"".join(name + struct.pack("<L", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks)
    return b"RIFF" + struct.pack("<L", len(body) + 4) + b"WEBP" + body


def canvas(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    """An extended WebP's header."""
    return b"VP8X", bytes((flags, 0, 0, 0)) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
