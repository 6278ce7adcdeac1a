"""Restored faces back into their photo."""

from collections.abc import Iterator, Sequence

import numpy as np

from core.imaging.composite.layer import Layer, make_layer
from core.imaging.composite.patch import Patch


def layers_of(photo: np.ndarray, patches: Sequence[Patch]) -> Iterator[Layer]:
    """The layers of a photo's faces, one after the other: memory for one at a time. For arguments see `compose`."""
    for index, patch in enumerate(patches):
        layer = make_layer(photo, patches, index) if patch.strength > 0 else None
        if layer is not None:
            yield layer


def compose(photo: np.ndarray, patches: Sequence[Patch]) -> np.ndarray:
    """Put restored faces back into their photo.

    Each is worked out from the photo as it came, in its own window, so that the order changes nothing but who goes
    first where two faces lie on each other. Pixels outside all masks are the photo's, byte by byte.

    Args:
        photo: [H, W, 3] uint8 or uint16; not changed.
        patches: the restored faces; of strength 0 those that keep their pixels from their neighbours.

    Returns:
        A new photo of the same shape and type.

    Raises:
        TypeError: the photo is neither uint8 nor uint16.
    """
    result = photo.copy()
    for layer in layers_of(photo, patches):
        layer.lay_on(result)
    return result
