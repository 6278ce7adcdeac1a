"""The prior, constrained by anchors."""

import hashlib

from core.pipeline.artifacts import unpack
from core.pipeline.finetune import finetune
from core.pipeline.plan import StageCall
from core.pipeline.scoring import Scorer
from core.pipeline.stages.context import Context


def handle(call: StageCall, context: Context) -> list[bytes]:
    """Fine-tune on the anchors: a person's curated album, scored on what was held out of it, or the sampled one."""
    recipe = context.recipe.finetune
    if recipe is None:
        raise ValueError("a finetune stage needs a finetune recipe")
    scorer = None
    if call.needs[0][0] == "curate":
        arrays = unpack(context.output(*call.needs[0]))[0]
        anchors, held_out = list(arrays["anchors"]), list(arrays["held_out"])
        if held_out:
            noise_steps = context.recipe.restore.noise_steps
            scorer = Scorer(held_out, noise_steps, recipe.scoring_steps, recipe.batch, context.person)
    else:
        anchors = [unpack(context.output(*need))[0]["anchor"] for need in call.needs]
    digest = hashlib.sha256(b"".join(anchor.tobytes() for anchor in anchors)).hexdigest()
    load_state, save_state = context.resume_state(call, two=True)
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
            scorer=scorer,
        )
    ]
