"""An album's photos: every face cut out and measured, since the person need not be the largest."""

from core.imaging.curate.look import Look
from core.pipeline.album_facts import pack_photo
from core.pipeline.plan import StageCall
from core.pipeline.stages.context import Context


def handle(call: StageCall, context: Context) -> list[bytes]:
    """Look at one photo; its pixels are let go but for small crops."""
    photo = context.photo("album", call.sources[0])
    side, person = context.prior.spec.resolution, context.person
    look = Look(side, person, context.request.finder, context.limits, context.ports.decode)
    candidate = look.at(photo.label, photo.data, photo.aligned)
    context.ports.progress.report(call.stage, call.items[0], *context.place(call))
    return [pack_photo(candidate, side, person)]
