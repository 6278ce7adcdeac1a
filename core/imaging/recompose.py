"""Restored faces into their photo, from bytes to bytes: the original's depth, space, metadata and format are kept.

A face that is kept as it was is not among the restored ones; it keeps its pixels where one of them overlaps it. Memory
grows with one face, not with their number: the photo is held as it came and as models see it, and layer after layer is
put back.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from core.imaging.align import Alignment, aligned_crop
from core.imaging.colour import Colour, recolour
from core.imaging.composite import Patch, layers_of, make_layer, outline_of
from core.imaging.detail import merge_detail
from core.imaging.intake import encode
from core.imaging.opening import Limits
from core.imaging.original.photo import FileFormat, Original
from core.imaging.original.put_back import put_back
from core.imaging.original.reading import read_original
from core.imaging.original.saving import KeepMetadata, SavedPhoto, save


@dataclass(frozen=True, eq=False)
class RestoredFace:
    """A face that replaces the photo's.

    Attributes:
        quad: [4, 2] float64, the corners of its square in the upright photo, as `Alignment.quad`; None where the whole
            photo is the face's crop (aligned).
        outline: [N, 2] float64, convex, the face without a margin; None: an ellipse in the square.
        native: the prior's output, [R, R, 3] uint8, in its own colours.
        seed: of the grain.
    """

    quad: np.ndarray | None
    outline: np.ndarray | None
    native: np.ndarray
    seed: int


@dataclass(frozen=True, eq=False)
class KeptFace:
    """A face that stays as it is beside restored ones.

    Attributes:
        quad: see `RestoredFace`.
        outline: see there.
    """

    quad: np.ndarray
    outline: np.ndarray | None


@dataclass(frozen=True)
class OutputWish:
    """How the photo shall be.

    Attributes:
        file_format: None is the format it came in.
        keep_metadata: what goes along of EXIF and XMP.
        colour: whose colours the faces have.
        native: an aligned photo in the prior's own resolution; whole photos keep theirs in any case.
    """

    file_format: FileFormat | None = None
    keep_metadata: KeepMetadata = "all"
    colour: Colour = "preserve"
    native: bool = False


@dataclass(frozen=True)
class Recomposed:
    """A photo with its restored faces.

    Attributes:
        saved: the file.
        width: in pixels.
        height: in pixels.
    """

    saved: SavedPhoto
    width: int
    height: int


@dataclass(frozen=True)
class FaceLayer:
    """One face's part of the composite, for somebody who finishes the photo by hand: PNG files.

    Attributes:
        face: its place among the restored faces.
        left: first column of mask and result in the upright photo.
        top: first row.
        crop: the photo's own square, upright.
        mask: 8 bits of grey; 0 is untouched.
        result: the restoration in the photo's frame, before it is blended by the mask.
    """

    face: int
    left: int
    top: int
    crop: bytes
    mask: bytes
    result: bytes


def recompose(
    data: bytes,
    faces: Sequence[RestoredFace],
    output: OutputWish,
    limits: Limits | None = None,
    kept: Sequence[KeptFace] = (),
) -> Recomposed:
    """Put restored faces into a photo and encode it.

    Pixels outside the masks are the photo's own, to the last bit wherever its format keeps pixels.

    Args:
        data: the photo as it was sent.
        faces: what replaces its faces; without any the photo is encoded anew, and not marked as generated.
        output: see there.
        limits: on what is decoded.
        kept: faces that stay as they are: what lies nearer to them is theirs.

    Raises:
        BadInputError: the photo cannot be read; for an aligned one, it is not square.
        UnsupportedFormatError: HEIC is asked for, and pillow-heif is not installed.
    """
    original = read_original(data, limits)
    whole = [face for face in faces if face.quad is None]
    if whole:
        original = _face_alone(original, whole[0].native, output)
    elif faces:
        original = _put_layers(original, patches_of(faces, output.colour, kept))
    saved = save(original, output.file_format, keep_metadata=output.keep_metadata, generated=bool(faces))
    height, width = original.pixels.shape[:2]
    return Recomposed(saved, width, height)


def layers(
    data: bytes,
    faces: Sequence[RestoredFace],
    output: OutputWish,
    limits: Limits | None = None,
    kept: Sequence[KeptFace] = (),
) -> Iterator[FaceLayer]:
    """The layers that `recompose` lays on the photo, one after the other; arguments as there.

    An aligned photo has none; nor has a face outside its photo.
    """
    photo = read_original(data, limits).working
    placed = [(number, face) for number, face in enumerate(faces) if face.quad is not None]
    patches = patches_of([face for _, face in placed], output.colour, kept)
    for place, (number, _) in enumerate(placed):
        layer = make_layer(photo, patches, place)
        if layer is not None:
            mask = np.ceil(layer.mask * 255).astype(np.uint8)  # what is touched ever so little is not 0
            window = layer.window
            crop, result = encode(layer.crop), encode(layer.result)
            yield FaceLayer(number, window.left, window.top, crop, encode(mask), result)


def patches_of(faces: Sequence[RestoredFace], colour: Colour, kept: Sequence[KeptFace] = ()) -> list[Patch]:
    """Faces with a square, as the compositing takes them: the restored ones, then those that are kept."""
    patches = []
    for face in faces:
        if face.quad is not None:
            alignment, outline = _place_of(face.quad, face.outline)
            patches.append(Patch(alignment, face.native, outline, face.seed, colour))
    nothing = np.zeros((1, 1, 3), np.uint8)
    for one in kept:
        alignment, outline = _place_of(one.quad, one.outline)
        patches.append(Patch(alignment, nothing, outline, seed=0, strength=0.0))
    return patches


def _place_of(quad: np.ndarray, outline: np.ndarray | None) -> tuple[Alignment, np.ndarray]:
    alignment = Alignment(np.asarray(quad, dtype=np.float64))
    return alignment, outline_of(alignment) if outline is None else np.asarray(outline, dtype=np.float64)


def face_picture(native: np.ndarray, crop: np.ndarray, grid: float, colour: Colour, *, own_size: bool) -> np.ndarray:
    """A restored face by itself.

    Args:
        native: the prior's output, [R, R, 3] uint8.
        crop: the photo's aligned crop, [S, S, 3] uint8.
        grid: of the photo it was cut from, see `core.imaging.detail.grid_level`.
        colour: whose colours it has.
        own_size: in the prior's resolution instead of the crop's, and without the photo's own detail.

    Returns:
        [S, S, 3] or [R, R, 3] uint8.
    """
    return recolour(native if own_size else merge_detail(native, crop, grid), crop, colour)


def _put_layers(original: Original, patches: Sequence[Patch]) -> Original:
    for layer in layers_of(original.working, patches):
        edited = layer.placed.clip(0, 255) if original.pixels.dtype == np.uint16 else layer.result
        original = put_back(original, edited, layer.mask, layer.window.top, layer.window.left)
    return original


def _face_alone(original: Original, native: np.ndarray, output: OutputWish) -> Original:
    """An aligned photo: its middle square at the crop's size, with the restored face in it."""
    crop = aligned_crop(original.working)
    picture = face_picture(native, crop, 0.0, output.colour, own_size=output.native)
    height, width = original.pixels.shape[:2]
    side, size = min(height, width), len(picture)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(original.pixels[top : top + side, left : left + side])
    if size != side:
        filter_kind = cv2.INTER_AREA if size < side else cv2.INTER_CUBIC
        square = cv2.resize(square, (size, size), interpolation=filter_kind).reshape(size, size, -1)
    return put_back(replace(original, pixels=square), picture, np.ones((size, size), dtype=bool))
