"""Faces restored, in batches."""

from core.imaging.resize import resize
from core.pipeline.artifacts import pack
from core.pipeline.plan import StageCall, face_item
from core.pipeline.request import RestoreRequest
from core.pipeline.restore import restore_batch
from core.pipeline.stages.context import Context
from core.priors.diffusers_unet import UNetPrior


def handle(call: StageCall, context: Context) -> list[bytes]:
    """Restore a batch of faces with the prior that their checkpoint constrained, or the untouched one."""
    request = context.request
    if not isinstance(request, RestoreRequest) or call.numbers is None:
        raise TypeError("a tune request restores nothing")
    prior = _prior_for(call, request, context)
    side = prior.spec.resolution
    faces = list(zip(call.sources, call.faces, strict=True))
    load_state, save_state = context.resume_state(call)
    made = restore_batch(
        prior,
        [resize(context.crop(index, n), side) for index, n in faces],
        call.numbers,
        [request.seed_of(index) for index in call.sources],
        [context.hashes["align", face_item(index, n)] for index, n in faces],
        call.candidates,
        on_step=lambda done, total: context.report(call, done, total),
        load_state=load_state,
        save_state=save_state,
    )
    return [pack({"native": image}) for image in made]


def _prior_for(call: StageCall, request: RestoreRequest, context: Context) -> UNetPrior:
    tuned = [need for need in call.needs if need[0] == "finetune"]
    if call.checkpoint_id is not None:
        return context.constrained(request.checkpoints[call.checkpoint_id])
    if tuned:
        return context.constrained(context.output(*tuned[0]))
    return context.prior if request.checkpoint is None else context.constrained(request.checkpoint)
