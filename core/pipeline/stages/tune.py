"""The prior, constrained by anchors."""

import hashlib

from core.pipeline.artifacts import unpack
from core.pipeline.finetune import finetune
from core.pipeline.plan import StageCall
from core.pipeline.stages.context import Context


def handle(call: StageCall, context: Context) -> list[bytes]:
    """Fine-tune on the anchors: a person's curated album, or the one sampled from the photo."""
    recipe = context.recipe.finetune
    if recipe is None:
        raise ValueError("a finetune stage needs a finetune recipe")
    if call.needs[0][0] == "curate":
        anchors = list(unpack(context.output(*call.needs[0]))[0]["anchors"])
    else:
        anchors = [unpack(context.output(*need))[0]["anchor"] for need in call.needs]
    digest = hashlib.sha256(b"".join(anchor.tobytes() for anchor in anchors)).hexdigest()
    load_state, save_state = context.resume_state(call)
    return [
        finetune(
            context.prior,
            anchors,
            recipe,
            context.seed_of(call),
            digest,
            on_step=lambda done: context.report(call, done, recipe.iterations),
            load_state=load_state,
            save_state=save_state,
        )
    ]
