"""From the original's colour space to sRGB, and back: of a band of rows at a time, since copies are of floats."""

import io
from typing import cast

import numpy as np
from PIL import Image, ImageCms

from core.imaging.original.profile import LEVELS, SimpleProfile, converts, simple_profile, srgb_profile_bytes


def in_usable_space(pixels: np.ndarray, profile: bytes | None) -> tuple[np.ndarray, bytes | None]:
    """Pixels in a space that an edit can be brought back into, and its profile.

    A profile that is broken, or of other channels, says nothing: the pixels stay, as sRGB. One that leads to sRGB but
    not back (some scanners' tables) is applied: the pixels become 8-bit sRGB.

    Args:
        pixels: [H, W, 1 … 4] uint8 or uint16.
        profile: what the file brings.
    """
    grey, alpha = pixels.shape[2] < 3, pixels.shape[2] in (2, 4)
    mode, srgb = "L" if grey else "RGB", srgb_profile_bytes()
    if profile is None or not converts(profile, srgb, mode, "RGB"):
        return pixels, None
    if converts(srgb, profile, "RGB", mode):
        return pixels, profile
    colour = to_srgb(pixels[..., : pixels.shape[2] - alpha], profile)
    return (np.concatenate([colour, eight_bits(pixels[..., -1:])], axis=2) if alpha else colour), None


def to_srgb(colour: np.ndarray, profile: bytes | None) -> np.ndarray:
    """Convert to the working copy's space.

    Args:
        colour: [H, W, 1 or 3] uint8 or uint16, without alpha.
        profile: what it is in; None is sRGB.

    Returns:
        [H, W, 3] uint8 sRGB.
    """
    if profile is None:
        return np.repeat(eight_bits(colour), 3 // colour.shape[2], axis=2)
    simple = simple_profile(profile)
    if colour.dtype == np.uint8 or simple is None:
        return _by_littlecms(eight_bits(colour), profile, srgb_profile_bytes(), "RGB")
    return _by_curves(colour, simple)


def from_srgb(levels: np.ndarray, profile: bytes | None, channels: int) -> np.ndarray:
    """Convert back into the original's space, without rounding where the profile is of curves and a matrix.

    Args:
        levels: [h, w, 3] float64, sRGB in grey levels of 0 … 255.
        profile: of the original; None is sRGB.
        channels: of the original's colour, 1 or 3.

    Returns:
        [h, w, channels] float64 in [0, 1], encoded as the profile says.
    """
    if profile is None and channels == 3:
        return np.asarray(levels / 255.0)
    simple = simple_profile(profile or srgb_profile_bytes())
    if simple is None:
        rounded = levels.round().astype(np.uint8)
        mode = "RGB" if channels == 3 else "L"
        converted = _by_littlecms(rounded, srgb_profile_bytes(), cast(bytes, profile), mode)
        return np.asarray(converted.reshape(*levels.shape[:2], channels) / 255.0)
    srgb = _srgb()
    xyz = _to_light(levels / 255.0, srgb) @ _matrix(srgb).T
    light = xyz[..., 1:2] if channels == 1 else (xyz @ np.linalg.inv(_matrix(simple)).T).clip(0.0, 1.0)
    return _encoded(light, simple)  # grey without a profile: by the first of sRGB's curves, which are alike


def seen_on_white(colour: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    """Lay transparent pixels on white.

    Args:
        colour: [H, W, C] uint8.
        alpha: [H, W, 1] uint8 or uint16; None is opaque.

    Returns:
        [H, W, C] uint8.
    """
    if alpha is None or alpha.min() == np.iinfo(alpha.dtype).max:
        return colour
    opaque = alpha.astype(np.float32) / np.iinfo(alpha.dtype).max
    return np.asarray((255.0 + opaque * (colour.astype(np.float32) - 255.0)).round(), dtype=np.uint8)


def eight_bits(values: np.ndarray) -> np.ndarray:
    """Round 16-bit levels to 8 bits; 8-bit ones stay."""
    if values.dtype == np.uint8:
        return values
    # ⌊(v + 128) / 257⌋ is the nearest of the levels 0, 257, 514 …; 32 bits hold the sum.
    return np.asarray((values.astype(np.uint32) + 128) // 257, dtype=np.uint8)


def _by_littlecms(values: np.ndarray, source: bytes, target: bytes, mode: str) -> np.ndarray:
    picture = Image.fromarray(values[..., 0] if values.shape[2] == 1 else np.ascontiguousarray(values))
    here, there = (ImageCms.ImageCmsProfile(io.BytesIO(profile)) for profile in (source, target))
    return np.asarray(ImageCms.profileToProfile(picture, here, there, outputMode=mode))


def _by_curves(colour: np.ndarray, simple: SimpleProfile) -> np.ndarray:
    srgb = _srgb()
    light = np.stack([curve[colour[..., n]] for n, curve in enumerate(simple.curves)], axis=-1)
    if simple.to_xyz is None:
        light = np.repeat(light, 3, axis=-1)  # grey is grey in every space
    else:
        light = (light @ (np.linalg.inv(_matrix(srgb)) @ simple.to_xyz).T).clip(0.0, 1.0)
    return np.asarray((_encoded(light, srgb) * 255.0).round(), dtype=np.uint8)


def _to_light(encoded: np.ndarray, simple: SimpleProfile) -> np.ndarray:
    grid = np.linspace(0.0, 1.0, LEVELS)
    return np.stack([np.interp(encoded[..., n], grid, curve) for n, curve in enumerate(simple.curves)], axis=-1)


def _encoded(light: np.ndarray, simple: SimpleProfile) -> np.ndarray:
    grid = np.linspace(0.0, 1.0, LEVELS)
    channels = range(light.shape[-1])
    return np.stack([np.interp(light[..., n], simple.curves[n], grid) for n in channels], axis=-1)


def _srgb() -> SimpleProfile:
    return cast(SimpleProfile, simple_profile(srgb_profile_bytes()))


def _matrix(simple: SimpleProfile) -> np.ndarray:
    return cast(np.ndarray, simple.to_xyz)
