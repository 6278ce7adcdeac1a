"""All layers of a photo at once: what a process of the decode pool can give back."""

from collections.abc import Sequence

from core.imaging.opening import Limits
from core.imaging.recompose import FaceLayer, KeptFace, OutputWish, RestoredFace, layers


def layer_files(
    data: bytes,
    faces: Sequence[RestoredFace],
    output: OutputWish,
    limits: Limits | None = None,
    kept: Sequence[KeptFace] = (),
) -> tuple[FaceLayer, ...]:
    """See `core.imaging.recompose.layers`."""
    return tuple(layers(data, faces, output, limits, kept))
