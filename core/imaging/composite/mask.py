"""Where a restored face shows: its outline grown and feathered, and one owner for every pixel."""

from collections.abc import Sequence

import numpy as np

from core.imaging.composite.patch import Patch
from core.imaging.composite.window import Window, square_coordinates, window_around

GROWN, FEATHER = 0.07, 0.07
"""How far the mask reaches beyond the outline and over what width it fades, as fractions of the square's side."""

RING = 0.08
"""Width of the ring of untouched photo around the mask in which colours are compared."""

_BORDER = 0.06
"""Near the square's border the mask fades whatever the outline: beyond it nothing was restored."""

_EDGE = 0.2
"""Over what width, from the mask's edge inwards, the surroundings' colours pass into the restoration's own."""

_BETWEEN = 0.03
"""Over what width a face gives way to the photo at the border to another face."""


def window_of(patch: Patch, height: int, width: int) -> Window:
    """The window of a photo in which a patch is worked on: its mask and the ring around.

    Args:
        patch: to be put back.
        height: the photo's, in pixels.
        width: the photo's, in pixels.
    """
    side = patch.alignment.side_pixels
    return window_around(patch.outline, (GROWN + RING) * side + 1, patch.alignment, height, width)


def depth_in(patch: Patch, window: Window) -> np.ndarray:
    """How deep a window's pixels lie in a face, as a fraction of its square's side; negative outside the outline.

    The least distance to the outline's edges, prolonged: the same for a pixel in whichever window it is asked for, as
    two faces that share a border need it.

    Args:
        patch: whose outline.
        window: any of the photo.

    Returns:
        [h, w] float32.
    """
    points = patch.outline
    edges = np.roll(points, -1, axis=0) - points
    lengths = np.hypot(edges[:, 0], edges[:, 1])
    points, edges, lengths = points[lengths > 0], edges[lengths > 0], lengths[lengths > 0]
    normals = np.stack([-edges[:, 1], edges[:, 0]], axis=1) / lengths[:, None]
    if ((points.mean(axis=0) - points[0]) * normals[0]).sum() < 0:
        normals = -normals  # inwards, whichever way round the outline runs
    x = np.arange(window.left, window.right) + 0.5
    y = np.arange(window.top, window.bottom) + 0.5
    depth = np.full((len(y), len(x)), np.inf, np.float32)
    for point, normal in zip(points, normals, strict=True):
        across, down = (x - point[0]) * normal[0], (y - point[1]) * normal[1]
        np.minimum(depth, across.astype(np.float32)[None, :] + down.astype(np.float32)[:, None], out=depth)
    depth /= np.float32(patch.alignment.side_pixels)
    return depth


def weights(patches: Sequence[Patch], index: int, window: Window) -> np.ndarray:
    """How much of a patch each pixel takes: 1 in the face, fading around it, 0 where another face is nearer.

    No pixel takes from two patches: where faces overlap, each gives way to the photo along the line on which both are
    equally deep, earlier ones going first where they lie on each other. A face of strength 0, which is left alone,
    goes before all others.

    Args:
        patches: all of the photo.
        index: of the patch that is asked for.
        window: its own.

    Returns:
        [h, w] float32 in [0, 1].
    """
    patch = patches[index]
    depth = depth_in(patch, window)
    weight = _smoothstep((depth + GROWN) / FEATHER)
    square = square_coordinates(window, patch.alignment)
    to_border = np.minimum(square, 1 - square).min(axis=-1)
    weight *= _smoothstep(to_border / _BORDER)
    for other_index, other in enumerate(patches):
        if other_index != index and window.meets(_reach(other)):
            first = _BETWEEN if index < other_index and other.strength > 0 else -_BETWEEN
            weight *= _smoothstep((depth - depth_in(other, window) + first) / _BETWEEN)
    return np.asarray(weight * np.float32(patch.strength))


def _reach(patch: Patch) -> Window:
    margin = GROWN * patch.alignment.side_pixels + 1
    low, high = patch.outline.min(axis=0) - margin, patch.outline.max(axis=0) + margin
    return Window(int(low[0]), int(low[1]), int(np.ceil(high[0])), int(np.ceil(high[1])))


def ring_of(patch: Patch, weight: np.ndarray, window: Window) -> np.ndarray:
    """The pixels around a mask in which photo and restoration are compared.

    They begin half-way in the feather, where the photo still shows, and end with what was restored.

    Returns:
        [h, w] bool.
    """
    square = square_coordinates(window, patch.alignment)
    restored = (square >= 0).all(axis=-1) & (square <= 1).all(axis=-1)
    near = depth_in(patch, window) > -(GROWN + RING)
    return np.asarray(restored & near & (weight < 0.5 * patch.strength))


def edge_of(patch: Patch, window: Window) -> np.ndarray:
    """1 at a mask's edge and beyond, fading to 0 within the face: [h, w] float32."""
    return 1 - _smoothstep((depth_in(patch, window) + GROWN) / _EDGE)


def _smoothstep(x: np.ndarray) -> np.ndarray:
    clipped = np.clip(x, 0.0, 1.0)
    return np.asarray(clipped * clipped * (3 - 2 * clipped), dtype=np.float32)
