"""Training a prior, top to bottom: draw, noise, predict, step, average, measure, save.

Everything random at a step is drawn from (seed, step): a resumed run repeats an uninterrupted one, bit for bit on a
CPU with equal threads.
"""

import copy
import hashlib
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from core.diffusion.loss import training_loss
from core.diffusion.process import Prediction, add_noise
from core.diffusion.seeds import derive_seed, image_generator
from core.domain.errors import PriorError
from core.priors.diffusers_unet import UNetPrior
from core.priors.training.dataset import TrainingSet
from core.priors.training.evaluation import denoising_psnr
from core.priors.training.recipe import TrainingRecipe
from core.priors.training.state import Row, TrainingState, load_state, save_state


def train(
    prior: UNetPrior,
    data: TrainingSet,
    recipe: TrainingRecipe,
    folder: Path,
    *,
    on_step: Callable[[int, float], None] = lambda _step, _loss: None,
    on_measure: Callable[[UNetPrior, list[Row]], object] = lambda _prior, _history: None,
    save_every_seconds: float = 300.0,
    measure_every_steps: int = 500,
) -> tuple[UNetPrior, list[Row]]:
    """Train a prior's network in place and return its averaged copy.

    Args:
        prior: random or pretrained weights, on the device to train on.
        data: decoded images.
        recipe: the numbers.
        folder: for the resume state; it must exist.
        on_step: told (steps done, loss); may raise to stop, and the state is saved first.
        on_measure: given the averaged prior and the rows so far, after each measurement.
        save_every_seconds: how often the state is written.
        measure_every_steps: how often the averaged weights are measured on the held-out images.

    Returns:
        The prior with averaged weights, and the rows measured: step, loss, learning rate, PSNR at each t.

    Raises:
        CheckpointMismatchError: the folder belongs to another training.
        PriorError: the training diverged; the last saved state is from before.
        CancelledError: from `on_step`.
    """
    device = prior.device
    identity = hashlib.sha256(f"{recipe.digest()}:{data.sha256}:{prior.spec.sha256}".encode()).hexdigest()
    shape = prior.spec.model_dump_json(include={"network", "pixel_unshuffle", "resolution", "prediction", "schedule"})
    shape = hashlib.sha256(shape.encode()).hexdigest()  # random weights have no hash that would tell them apart
    averaged = UNetPrior(prior.spec, copy.deepcopy(prior.network))
    averaged.autocast_dtype = prior.autocast_dtype
    network = prior.network.requires_grad_(True).train()
    parameters, averages = dict(network.named_parameters()), dict(averaged.network.named_parameters())
    optimizer = torch.optim.AdamW(parameters.values(), lr=recipe.learning_rate, weight_decay=0.0)
    images = torch.from_numpy(data.train)

    state = load_state(folder, identity, shape) or TrainingState(0, {})
    if state.step:
        _load_tensors(state.tensors, parameters, averages, optimizer, state.step)
    step, history, loss_average, saved_at = state.step, state.history, state.loss_average, time.monotonic()
    # The min-SNR weight is written for an ε-network; others are trained on the plain squared error.
    min_snr = recipe.min_snr if prior.parameterization.prediction is Prediction.EPSILON else None

    def keep() -> None:
        tensors = _tensors(parameters, averages, optimizer)
        save_state(folder, TrainingState(step, tensors, history, loss_average), identity, shape)

    while step < recipe.steps:
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate_at(step)
        x0, t, noise = _draw(images, recipe, prior.schedule.steps, step, device)
        x_t = add_noise(x0, noise, t, prior.schedule)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(derive_seed(recipe.seed, "dropout", step))
            output = prior.predict(x_t, t)
        loss = training_loss(output, x0, noise, t, prior.schedule, prior.parameterization, min_snr).total.mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch declares no types for it
        slope = torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        if not math.isfinite(float(loss.detach())) or not math.isfinite(float(slope)):
            raise PriorError(
                f"The training diverged at step {step + 1}: its loss is not a finite number.",
                "Lower the learning rate and begin again, in another folder or from the state kept in this one.",
            )
        optimizer.step()
        with torch.no_grad():
            decay = recipe.ema_decay_at(step)
            for name, average in averages.items():
                average.lerp_(parameters[name], 1.0 - decay)
        step += 1
        loss_average += (float(loss.detach()) - loss_average) / min(step, 100)

        if len(data.held_out) and (step % measure_every_steps == 0 or step == recipe.steps):
            measured = denoising_psnr(averaged, data.held_out)
            history.append(
                {"step": float(step), "loss": loss_average, "learning_rate": recipe.learning_rate_at(step - 1)}
                | {f"psnr_{t}": value for t, value in measured.items()}
            )
            on_measure(averaged, history)
        try:
            on_step(step, loss_average)
        except BaseException:
            keep()  # Ctrl-C, a drain, a full queue: whatever stops a training, its last step is kept
            raise
        if time.monotonic() - saved_at > save_every_seconds:
            keep()
            saved_at = time.monotonic()
    keep()
    network.requires_grad_(False).eval()
    return averaged, history


def _draw(
    images: Tensor, recipe: TrainingRecipe, schedule_steps: int, step: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """One batch: images [N, 3, R, R] in [−1, 1], timesteps [N], noise like the images."""
    generator = image_generator(recipe.seed, "train", step)
    chosen = torch.randint(len(images), (recipe.batch,), generator=generator)
    x0 = images[chosen].permute(0, 3, 1, 2).float().div(127.5).sub(1.0)
    if recipe.flips:
        mirrored = (torch.rand(recipe.batch, generator=generator) < 0.5).view(-1, 1, 1, 1)
        x0 = torch.where(mirrored, x0.flip(-1), x0)
    anywhere = torch.randint(schedule_steps, (recipe.batch,), generator=generator)
    low = torch.randint(min(recipe.low_below, schedule_steps), (recipe.batch,), generator=generator)
    # A fixed share of each batch rather than a coin per image: less variance from step to step.
    t = torch.where(torch.arange(recipe.batch) < round(recipe.batch * recipe.low_fraction), low, anywhere)
    noise = torch.randn(x0.shape, generator=generator)
    return x0.to(device), t.to(device), noise.to(device)


def _tensors(
    parameters: dict[str, torch.nn.Parameter],
    averages: dict[str, torch.nn.Parameter],
    optimizer: torch.optim.AdamW,
) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, parameter in parameters.items():
        moments = optimizer.state[parameter]
        tensors[f"weight/{name}"], tensors[f"ema/{name}"] = parameter, averages[name]
        tensors[f"first/{name}"], tensors[f"second/{name}"] = moments["exp_avg"], moments["exp_avg_sq"]
    return tensors


def _load_tensors(
    tensors: dict[str, Tensor],
    parameters: dict[str, torch.nn.Parameter],
    averages: dict[str, torch.nn.Parameter],
    optimizer: torch.optim.AdamW,
    step: int,
) -> None:
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[f"weight/{name}"])
            averages[name].copy_(tensors[f"ema/{name}"])
            # Moments take the parameter's memory layout, so that sums run in the same order as before.
            first, second = torch.empty_like(parameter), torch.empty_like(parameter)
            first.copy_(tensors[f"first/{name}"])
            second.copy_(tensors[f"second/{name}"])
            optimizer.state[parameter] = {"step": torch.tensor(float(step)), "exp_avg": first, "exp_avg_sq": second}
