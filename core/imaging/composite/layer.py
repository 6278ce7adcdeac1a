"""One restored face, ready to be laid on its photo."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from core.imaging.align import align_face
from core.imaging.colour import LUMA, keep_chroma
from core.imaging.composite.grain import add_grain
from core.imaging.composite.mask import edge_of, ring_of, weights, window_of
from core.imaging.composite.patch import Patch
from core.imaging.composite.ring import shift_to_ring
from core.imaging.composite.window import Window, place
from core.imaging.detail import grid_level, merge_detail

_SAME_LEVELS = 4.0
"""Difference between restoration and photo, in grey levels, at which resampling's losses are given back by half."""

_LEVELS_16_BIT = 257.0


@dataclass(frozen=True, eq=False)
class Layer:
    """A face's part of the composite.

    Attributes:
        window: where it lies in the photo.
        mask: [h, w] float32 in [0, 1]; 0 is untouched.
        placed: [h, w, 3] float32 in grey levels 0 … 255: the restoration there, before it is blended by the mask.
        result: the same in the photo's type.
        crop: [S, S, 3] of the photo's type: the photo's own square, upright, S pixels as the photo has them.
    """

    window: Window
    mask: np.ndarray
    placed: np.ndarray
    result: np.ndarray
    crop: np.ndarray

    def lay_on(self, photo: np.ndarray) -> None:
        """Blend into a photo, in place; pixels outside the mask are not written."""
        target = self.window.cut(photo)
        touched = self.mask > 0
        weight = self.mask[touched][:, None]
        old = target[touched].astype(np.float32)
        mixed = old + weight * (self.result[touched].astype(np.float32) - old)
        target[touched] = _quantised(mixed, photo.dtype, 1.0)


def make_layer(photo: np.ndarray, patches: Sequence[Patch], index: int) -> Layer | None:
    """Bring one restored face into its photo's frame.

    The restoration takes the photo's fine detail, is resampled once, shifted to the brightness of its surroundings,
    given its colours and the surroundings' grain. What the resampling of the photo itself lost is put back where the
    restoration left the photo as it was: an unrestored crop goes back as it came.

    Args:
        photo: [H, W, 3] uint8 or uint16; not changed.
        patches: all that go into it, because neighbours share their border.
        index: which of them.

    Returns:
        None where the face lies outside the photo.

    Raises:
        TypeError: the photo is neither uint8 nor uint16.
    """
    if photo.dtype not in (np.uint8, np.uint16):
        raise TypeError(f"A photo has 8 or 16 bits a channel, not {photo.dtype}.")
    patch = patches[index]
    window = window_of(patch, photo.shape[0], photo.shape[1])
    if window.empty:
        return None
    levels = _LEVELS_16_BIT if photo.dtype == np.uint16 else 1.0
    around = window.cut(photo).astype(np.float32) / np.float32(levels)
    crop = align_face(photo, patch.alignment, patch.crop_pixels)
    placed = _placed(patch, around, crop.astype(np.float32) / np.float32(levels), window)
    mask = weights(patches, index, window)
    shift = shift_to_ring(around, placed, ring_of(patch, mask, window))
    brightness = (shift @ LUMA)[..., None]
    placed += brightness
    if patch.colour == "preserve":
        placed = keep_chroma(placed, around, patch.alignment.side_pixels)
    else:
        # Its own colours in the face, the surroundings' at its edge.
        placed += (shift - brightness) * edge_of(patch, window)[..., None]
    inside = mask > 0.5 * patch.strength
    placed = add_grain(around, placed, mask == 0, inside, np.random.default_rng(patch.seed), patch.grain)
    return Layer(window, mask, placed, _quantised(placed, photo.dtype, levels), crop)


def _placed(patch: Patch, around: np.ndarray, crop: np.ndarray, window: Window) -> np.ndarray:
    """The restoration in the photo's frame, with the fine detail that the photo has and the prior lacks."""
    restored = patch.restored
    if patch.beyond_prior > 1:
        grid = grid_level(_quantised(around, np.dtype(np.uint8), 1.0))
        restored = merge_detail(restored, _quantised(crop, np.dtype(np.uint8), 1.0), grid)
    placed = place(restored, patch.alignment, window)
    unrestored = place(crop, patch.alignment, window)
    placed += _sameness(placed, unrestored, patch.alignment.side_pixels)[..., None] * (around - unrestored)
    return placed


def _sameness(placed: np.ndarray, unrestored: np.ndarray, side_pixels: float) -> np.ndarray:
    """1 where the restoration is the photo, towards 0 where it was redrawn: [h, w] float32."""
    difference = ((placed - unrestored) @ LUMA) ** 2
    smooth = cv2.GaussianBlur(difference, (0, 0), max(1.0, side_pixels / 64))
    return np.asarray(1.0 / (1.0 + smooth / _SAME_LEVELS**2))


def _quantised(levels: np.ndarray, dtype: np.dtype, factor: float) -> np.ndarray:
    return (levels * np.float32(factor)).round().clip(0, np.iinfo(dtype).max).astype(dtype)
