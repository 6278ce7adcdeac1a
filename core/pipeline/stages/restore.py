"""Faces restored, in batches."""

from core.imaging.resize import resize
from core.pipeline.artifacts import pack, unpack
from core.pipeline.plan import StageCall
from core.pipeline.request import TuneRequest
from core.pipeline.restore import restore_batch
from core.pipeline.stages.context import Context


def handle(call: StageCall, context: Context) -> list[bytes]:
    """Restore a batch of photos with the prior that the request constrained, or the untouched one."""
    prior = context.prior
    request = context.request
    if isinstance(request, TuneRequest):
        raise TypeError("a tune request restores nothing")
    tuned = [need for need in call.needs if need[0] == "finetune"]
    if tuned:
        prior = context.constrained(context.output(*tuned[0]))
    elif request.checkpoint is not None:
        prior = context.constrained(request.checkpoint)
    side = prior.spec.resolution
    keys = [("align", f"photo-{index}") for index in call.sources]
    photos = [resize(unpack(context.output(*key))[0]["crop"], side) for key in keys]
    load_state, save_state = context.resume_state(call)
    made = restore_batch(
        prior,
        photos,
        context.recipe.restore,
        [request.seed_of(index) for index in call.sources],
        [context.hashes[key] for key in keys],
        call.candidates,
        on_step=lambda done, total: context.report(call, done, total),
        load_state=load_state,
        save_state=save_state,
    )
    return [pack({"native": image}) for image in made]
