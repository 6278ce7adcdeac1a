"""The generative album."""

from core.imaging.resize import resize
from core.pipeline.album import sample_album
from core.pipeline.artifacts import pack
from core.pipeline.plan import StageCall
from core.pipeline.stages.context import Context


def handle(call: StageCall, context: Context) -> list[bytes]:
    """Sample one batch of the generative album."""
    recipe = context.recipe.album
    if recipe is None:
        raise ValueError("an album stage needs an album recipe")
    photo = resize(context.crop(call.sources[0], call.faces[0]), context.prior.spec.resolution)
    load_state, save_state = context.resume_state(call)
    made = sample_album(
        context.prior,
        photo,
        recipe,
        context.seed_of(call),
        context.hashes[call.needs[0]],
        call.images,
        on_step=lambda done, total: context.report(call, done, total),
        load_state=load_state,
        save_state=save_state,
    )
    return [pack({"anchor": image}) for image in made]
