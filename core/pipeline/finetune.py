"""Fine-tuning: the prior's space is constrained to images that share the anchors' features (paper, section 3.3)."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.diffusion.images import images_to_tensor
from core.diffusion.loss import training_loss
from core.diffusion.process import add_noise
from core.diffusion.seeds import derive_seed, image_generator
from core.diffusion.transfer import to_device
from core.domain.errors import CancelledError, CheckpointError
from core.pipeline.checkpoint import CheckpointInfo, checkpoint_bytes
from core.pipeline.microbatch import MicroBatch, PartLoss
from core.pipeline.scoring import Scorer, scored_steps
from core.pipeline.tuning_state import Tuning, restored, saved
from core.priors.adapters import tunable_copy, tuned_parameters, tuned_state
from core.priors.compiled import compile_for_tuning, compiling_pays
from core.priors.diffusers_unet import UNetPrior
from core.recipes.schema import FinetuneRecipe

SAVE_EVERY_SECONDS = 60.0


def finetune(
    prior: UNetPrior,
    anchors: list[np.ndarray],
    recipe: FinetuneRecipe,
    seed: int,
    album_sha256: str,
    *,
    on_step: Callable[[int], None],
    load_state: Callable[[], bytes | None],
    save_state: Callable[[bytes], None],
    save_every_seconds: float = SAVE_EVERY_SECONDS,
    compiled: bool | None = None,
    scorer: Scorer | None = None,
) -> bytes:
    """Tune a prior on anchors; raw weights are kept, not an average (method.md, section 4).

    Everything random at an iteration is drawn from (seed, iteration), so a resumed run repeats the uninterrupted
    one: bit for bit on a CPU with equal threads. Scoring draws nothing of it. Where memory is too small for a batch,
    its gradients are computed in parts and added: then they differ by rounding, and by dropout's draws.

    Args:
        prior: left untouched.
        anchors: at the prior's resolution, each [R, R, 3] uint8.
        recipe: the tuning's numbers.
        seed: the request's.
        album_sha256: of the anchors, written into the checkpoint.
        on_step: told the iterations done so far; a CancelledError from it stops, after the state is saved.
        load_state: the saved resume state, or None.
        save_state: keeps the resume state.
        save_every_seconds: how often.
        compiled: whether to compile the network first; None: where it pays.
        scorer: scores some steps on held-out photos, and the best one's weights are the checkpoint's; without it, the
            last one's.

    Returns:
        A subject checkpoint's bytes.

    Raises:
        CheckpointError: the tuning diverged, and nothing of it can be used.
        CancelledError: from `on_step`.
    """
    images = images_to_tensor(anchors).to(prior.device)
    tuned = tunable_copy(prior, recipe.method, recipe.rank, derive_seed(seed, "adapters"))
    parameters = tuned_parameters(tuned, recipe.method)
    # On CUDA one kernel updates all weights, without temporary copies of them.
    fused = prior.device.type == "cuda"
    optimizer = torch.optim.AdamW(parameters.values(), lr=recipe.learning_rate, weight_decay=0.0, fused=fused)
    tuning = Tuning()
    if (state := load_state()) is not None:
        tuning = restored(state, parameters, optimizer)
    tuned.network.train()
    forwards = 3 * recipe.iterations * recipe.batch
    if compiled or (compiled is None and compiling_pays(prior.device, forwards)):
        compile_for_tuning(tuned, recipe.batch)
    micro_batch = MicroBatch(recipe.batch, prior.device, lambda: _forget_compiled(tuned))
    steps = scored_steps(recipe.iterations, recipe.scorings) if scorer is not None else ()
    saved_at = time.monotonic()

    def report() -> None:
        try:
            on_step(tuning.iteration)
        except CancelledError:
            if tuning.iteration:
                save_state(saved(tuning, parameters, optimizer))
            raise

    def score() -> None:
        if scorer is not None and tuning.iteration in steps and not tuning.is_scored(tuning.iteration):
            with _for_inference(tuned):
                scored = scorer(tuned, tuning.iteration, report)
            tuning.take(scored, tuned_state(tuned, recipe.method))

    report()
    score()
    while tuning.iteration < recipe.iterations:
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * (1.0 - tuning.iteration / recipe.iterations)
        loss_of = _iteration_loss(tuned, images, recipe, seed, tuning.iteration)
        loss, gradients = micro_batch.gradients(loss_of, list(parameters.values()))
        for parameter, gradient in zip(parameters.values(), gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
        tuning.losses.add(loss)
        tuning.iteration += 1
        report()
        score()
        if tuning.iteration < recipe.iterations and time.monotonic() - saved_at > save_every_seconds:
            save_state(saved(tuning, parameters, optimizer))
            saved_at = time.monotonic()

    best = tuning.best_step()
    tensors = tuned_state(tuned, recipe.method) if tuning.best is None else tuning.best
    mean_loss = tuning.losses.sum() / recipe.iterations
    _check_finite(mean_loss, tensors)
    info = CheckpointInfo(
        prior_sha256=prior.spec.sha256,
        prior_name=prior.spec.name,
        finetune=recipe,
        seed=seed,
        album_sha256=album_sha256,
        step=tuning.iteration if best is None else best.step,
        scores={"mean_loss": mean_loss} | _scores(tuning),
    )
    return checkpoint_bytes(info, tensors)


@contextmanager
def _for_inference(tuned: UNetPrior) -> Iterator[None]:
    """Without dropout, and not compiled: that was done for the tuning's own batch, with gradients."""
    compiled, tuned.compiled_network = tuned.compiled_network, None
    tuned.network.eval()
    try:
        yield
    finally:
        tuned.network.train()
        tuned.compiled_network = compiled


def _scores(tuning: Tuning) -> dict[str, Any]:
    best = tuning.best_step()
    if best is None:
        return {}
    named = best.as_json()
    return {
        "best_step": named["step"],
        "identity": named["identity"],
        "psnr": named["psnr"],
        "curve": [scored.as_json() for scored in tuning.curve],
    }


def _check_finite(mean_loss: float, tensors: dict[str, Tensor]) -> None:
    """Once, at the end: looking at every iteration would make each wait for the device."""
    problem = ""
    if not math.isfinite(mean_loss):
        problem = "its loss is not a finite number"
    elif not all(bool(tensor.half().isfinite().all()) for tensor in tensors.values()):
        problem = "its weights do not fit into half precision"
    if problem:
        raise CheckpointError(f"The tuning diverged: {problem}.", "Choose a lower learning rate.")


def _forget_compiled(tuned: UNetPrior) -> None:
    """It was compiled for the whole batch; one compilation for each size would take longer than it saves."""
    tuned.compiled_network = None


def _iteration_loss(tuned: UNetPrior, images: Tensor, recipe: FinetuneRecipe, seed: int, iteration: int) -> PartLoss:
    """Draw an iteration's batch; the loss is then computed for it, or for a part of it, as often as wanted."""
    generator = image_generator(seed, "finetune", iteration)
    x0 = images[to_device(anchor_indices(len(images), recipe.batch, seed, iteration), images.device)]
    steps = min(recipe.timesteps_below or tuned.schedule.steps, tuned.schedule.steps)
    t = to_device(torch.randint(steps, (recipe.batch,), generator=generator), x0.device)
    noise = to_device(torch.randn(x0.shape, generator=generator), x0.device)
    if recipe.flips:
        mirrored = to_device(torch.rand(recipe.batch, generator=generator) < 0.5, x0.device).view(-1, 1, 1, 1)
        x0 = torch.where(mirrored, x0.flip(-1), x0)
    x_t = add_noise(x0, noise, t, tuned.schedule)
    devices = [x0.device] if x0.device.type == "cuda" else []

    def loss_of(part: slice) -> Tensor:
        # Dropout takes no generator: its draws are tied to the iteration instead, so they need no saved state.
        key = ("dropout", iteration) if part.start == 0 else ("dropout", iteration, part.start)
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(derive_seed(seed, *key))
            output = tuned.predict(x_t[part], t[part])
        total = training_loss(output, x0[part], noise[part], t[part], tuned.schedule, tuned.parameterization).total
        return total.mean() if len(total) == recipe.batch else total.sum() / recipe.batch

    return loss_of


def anchor_indices(count: int, batch: int, seed: int, iteration: int) -> Tensor:
    """Which anchors an iteration sees: shuffled anew each time all were seen, so that none is left out.

    Args:
        count: anchors there are.
        batch: anchors wanted; more than `count` repeats some.
        seed: the request's.
        iteration: 0, 1, ….

    Returns:
        [batch] int64 on the CPU.
    """
    positions = range(iteration * batch, (iteration + 1) * batch)
    epochs = {p // count for p in positions}
    order = {
        epoch: torch.randperm(count, generator=image_generator(seed, "anchors", epoch)) for epoch in sorted(epochs)
    }
    return torch.stack([order[p // count][p % count] for p in positions])
