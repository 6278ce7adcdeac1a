"""Faces out of their photos."""

from core.imaging.align import aligned_crop, largest_face_crop, part_of
from core.imaging.detail import grid_level
from core.imaging.intake import decode_photo
from core.pipeline.artifacts import pack
from core.pipeline.plan import StageCall
from core.pipeline.stages.context import Context


def handle(call: StageCall, context: Context) -> list[bytes]:
    """Decode a photo and cut its largest face out, or take it as the crop it already is."""
    photo = context.photo(call.items[0].partition("-")[0], call.sources[0])
    image = decode_photo(photo.data, context.limits)
    context.ports.progress.report(call.stage, call.items[0], *context.place(call))
    if photo.aligned:
        return [pack({"crop": aligned_crop(image)})]
    found = largest_face_crop(image, context.finder)
    grid = grid_level(
        part_of(image, found.alignment)
    )  # turned, the photo's JPEG blocks are not to be measured any more
    return [pack({"crop": found.crop, "quad": found.alignment.quad}, {"grid": grid})]
