"""Restored faces brought back to their size, and scored."""

from core.imaging.detail import merge_detail
from core.imaging.resize import resize
from core.pipeline.artifacts import pack, unpack
from core.pipeline.plan import StageCall
from core.pipeline.quality import scores
from core.pipeline.request import RestoreRequest
from core.pipeline.stages.context import Context


def handle(call: StageCall, context: Context) -> list[bytes]:
    """Bring the restored face to the crop's size, with the detail that is the photo's own; score it."""
    native = unpack(context.output(*call.needs[0]))[0]["native"]
    arrays, values = unpack(context.output(*call.needs[1]))
    crop = arrays["crop"]
    own_size = isinstance(context.request, RestoreRequest) and context.request.native
    image = native if own_size else merge_detail(native, crop, values.get("grid", 0.0))
    degraded = resize(crop, native.shape[0])
    numbers = scores(context.prior, crop, image, degraded, native)
    context.report(call, 1, 1)
    return [pack({"image": image, "native": native}, numbers)]
