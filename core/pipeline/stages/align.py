"""Faces out of their photos."""

import numpy as np

from core.imaging.align import (
    MAX_CROP_PIXELS,
    MIN_CROP_PIXELS,
    align_face,
    aligned_crop,
    part_of,
)
from core.imaging.detail import grid_level
from core.imaging.embedding import embed_aligned
from core.imaging.resize import resize
from core.pipeline.artifacts import pack
from core.pipeline.expansion import NOISE_STEPS, numbers_of
from core.pipeline.fidelity import choose_noise_steps
from core.pipeline.found import FoundFace
from core.pipeline.plan import StageCall, face_item
from core.pipeline.request import RestoreRequest
from core.pipeline.stages import look
from core.pipeline.stages.context import Context
from core.pipeline.wishes import PERSON


def handle(call: StageCall, context: Context) -> list[bytes]:
    """Cut a face out of a photo to be restored, or look at a photo of the album."""
    if not call.faces:
        return look.handle(call, context)
    index, n = call.sources[0], call.faces[0]
    found = context.found(index)
    if call.items[0] != face_item(index, n):
        return _noise_steps(found.faces[n], index, context)
    context.ports.progress.report(call.stage, call.items[0], n + 1, len(found.faces))
    return [_of_photo(found.faces[n], index, context)]


def _of_photo(face: FoundFace, index: int, context: Context) -> bytes:
    """The face's own pixels, and who it is to dlib where somebody may ask."""
    image = context.working(index)
    alignment = face.alignment
    values: dict[str, float] = {}
    if alignment is None:
        crop = aligned_crop(image)
    else:
        size = int(np.clip(round(alignment.side_pixels), MIN_CROP_PIXELS, MAX_CROP_PIXELS))
        crop = align_face(image, alignment, size)
        # Turned, the photo's JPEG blocks are not to be measured any more.
        values["grid"] = grid_level(part_of(image, alignment))
    arrays = {"crop": crop}
    if face.wanted and isinstance(context.request, RestoreRequest) and context.request.category == PERSON:
        arrays["embedding"] = embed_aligned(crop)
    return pack(arrays, values)


def _noise_steps(face: FoundFace, index: int, context: Context) -> list[bytes]:
    """The K that this face needs."""
    request = context.request
    if not isinstance(request, RestoreRequest):
        raise TypeError("a tune request restores nothing")
    photo = resize(context.crop(index, face.n), context.prior.spec.resolution)
    most = numbers_of(face, request, context.recipe).noise_steps
    return [pack({}, {NOISE_STEPS: choose_noise_steps(context.prior, photo, most)})]
