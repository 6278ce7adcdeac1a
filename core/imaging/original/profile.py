"""ICC profiles of the simple kind, in floating point: curves and a matrix (ICC.1:2010, 8.3.3 and annex F).

LittleCMS, as Pillow offers it, sees 8 bits only. Cameras' and phones' profiles (Adobe RGB, Display P3, ProPhoto,
Rec. 2020, grey with a gamma) are all of this kind, so that 16-bit photos keep what they have.
"""

import io
import struct
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import ImageCms

LEVELS = 65_536
"""Entries of a curve's table: one for each 16-bit level."""

_HEADER_BYTES = 128
_MAX_TAGS = 100
_CHANNELS = {b"RGB ": 3, b"GRAY": 1}


@dataclass(frozen=True)
class SimpleProfile:
    """How encoded levels become light.

    Attributes:
        curves: one a channel: linear light in [0, 1] for each 16-bit level, never falling; [65536] float64.
        to_xyz: linear RGB to XYZ under D50, [3, 3] float64; None of grey.
    """

    curves: tuple[np.ndarray, ...]
    to_xyz: np.ndarray | None


@lru_cache(maxsize=1)
def srgb_profile_bytes() -> bytes:
    """The sRGB profile as LittleCMS defines it."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@lru_cache(maxsize=8)
def simple_profile(profile: bytes) -> SimpleProfile | None:
    """Read a profile of curves and a matrix; None for one with lookup tables, and for a broken one.

    Args:
        profile: the ICC profile.
    """
    try:
        return _parse(profile)
    except (struct.error, ValueError, KeyError, IndexError, FloatingPointError):
        return None


def converts(source: bytes, target: bytes, mode: str, to_mode: str) -> bool:
    """Whether LittleCMS has a way from one profile to the other, for pictures of these modes of Pillow's."""
    try:
        here, there = (ImageCms.ImageCmsProfile(io.BytesIO(profile)) for profile in (source, target))
        ImageCms.buildTransform(here, there, mode, to_mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return False
    return True


def _parse(profile: bytes) -> SimpleProfile | None:
    tags = _tags(profile)
    channels, connection = _CHANNELS[profile[16:20]], profile[20:24]
    # A lookup table wins over the matrix beside it, and grey in Lab means lightness: both are LittleCMS's to do.
    if b"A2B0" in tags or b"A2B1" in tags or connection != b"XYZ ":
        return None
    if channels == 1:
        return SimpleProfile((_curve(tags[b"kTRC"]),), None)
    matrix = np.stack([_xyz(tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")], axis=1)
    if abs(np.linalg.det(matrix)) < 1e-6:
        return None
    return SimpleProfile(tuple(_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")), matrix)


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">L", profile, _HEADER_BYTES)
    if count > _MAX_TAGS:
        raise ValueError("more tags than a profile has")
    tags = {}
    for index in range(count):
        name, offset, size = struct.unpack_from(">4sLL", profile, _HEADER_BYTES + 4 + 12 * index)
        tags[name] = profile[offset : offset + size]
    return tags


def _xyz(body: bytes) -> np.ndarray:
    if body[:4] != b"XYZ ":
        raise ValueError("not a colour")
    return np.array(struct.unpack_from(">3l", body, 8)) / 65_536.0


def _curve(body: bytes) -> np.ndarray:
    encoded = np.linspace(0.0, 1.0, LEVELS)
    if body[:4] == b"curv":
        light = _sampled(body, encoded)
    elif body[:4] == b"para":
        light = _parametric(body, encoded)
    else:
        raise ValueError("not a curve")
    light = np.maximum.accumulate(np.nan_to_num(light).clip(0.0, 1.0))
    if light[-1] <= light[0]:
        raise ValueError("a flat curve cannot be undone")
    return np.asarray(light)


def _sampled(body: bytes, encoded: np.ndarray) -> np.ndarray:
    (count,) = struct.unpack_from(">L", body, 8)
    if count == 0:
        return encoded
    if count == 1:
        return np.asarray(encoded ** (struct.unpack_from(">H", body, 12)[0] / 256.0))
    samples = np.frombuffer(body, ">u2", count, 12) / 65_535.0
    return np.asarray(np.interp(encoded, np.linspace(0.0, 1.0, count), samples))


def _parametric(body: bytes, encoded: np.ndarray) -> np.ndarray:
    """ICC.1:2010, table 65: each kind is the last one with numbers left out."""
    (kind,) = struct.unpack_from(">H", body, 8)
    count = (1, 3, 4, 5, 7)[kind]
    g, *rest = (value / 65_536.0 for value in struct.unpack_from(f">{count}l", body, 12))
    if kind == 0:
        return np.asarray(encoded**g)
    a, b = rest[:2]
    if kind < 3:
        offset = rest[2] if kind == 2 else 0.0
        power = np.maximum(a * encoded + b, 0.0) ** g
        return np.asarray(np.where(a * encoded + b >= 0.0, power + offset, offset))
    slope, limit = rest[2:4]
    above, below = rest[4:6] if kind == 4 else (0.0, 0.0)
    power = np.maximum(a * encoded + b, 0.0) ** g
    return np.asarray(np.where(encoded >= limit, power + above, slope * encoded + below))
