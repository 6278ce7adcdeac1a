"""Fine-tuning: the prior's space is constrained to images that share the anchors' features (paper, section 3.3)."""

import math
import time
from collections.abc import Callable
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
from core.pipeline.artifacts import pack, unpack
from core.pipeline.checkpoint import CheckpointInfo, checkpoint_bytes
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
) -> bytes:
    """Tune a prior on anchors; raw weights are kept, not an average (method.md, section 4).

    Everything random at an iteration is drawn from (seed, iteration), so a resumed run repeats the uninterrupted
    one: bit for bit on a CPU with equal threads.

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
    iteration, losses = 0, _LossSum()
    if (state := load_state()) is not None:
        iteration, losses.total = _load_resume_state(state, parameters, optimizer)
    tuned.network.train()
    forwards = 3 * recipe.iterations * recipe.batch
    if compiled or (compiled is None and compiling_pays(prior.device, forwards)):
        compile_for_tuning(tuned, recipe.batch)
    saved_at = time.monotonic()
    on_step(iteration)

    while iteration < recipe.iterations:
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * (1.0 - iteration / recipe.iterations)
        loss = _iteration_loss(tuned, images, recipe, seed, iteration)
        gradients = torch.autograd.grad(loss, list(parameters.values()))
        for parameter, gradient in zip(parameters.values(), gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
        losses.add(loss)
        iteration += 1
        try:
            on_step(iteration)
        except CancelledError:
            save_state(_resume_state(iteration, losses.sum(), parameters, optimizer))
            raise
        if iteration < recipe.iterations and time.monotonic() - saved_at > save_every_seconds:
            save_state(_resume_state(iteration, losses.sum(), parameters, optimizer))
            saved_at = time.monotonic()

    tensors = tuned_state(tuned, recipe.method)
    mean_loss = losses.sum() / recipe.iterations
    _check_finite(mean_loss, tensors)
    info = CheckpointInfo(
        prior_sha256=prior.spec.sha256,
        prior_name=prior.spec.name,
        finetune=recipe,
        seed=seed,
        album_sha256=album_sha256,
        step=iteration,
        scores={"mean_loss": mean_loss},
    )
    return checkpoint_bytes(info, tensors)


def _check_finite(mean_loss: float, tensors: dict[str, Tensor]) -> None:
    """Once, at the end: looking at every iteration would make each wait for the device."""
    problem = ""
    if not math.isfinite(mean_loss):
        problem = "its loss is not a finite number"
    elif not all(bool(tensor.half().isfinite().all()) for tensor in tensors.values()):
        problem = "its weights do not fit into half precision"
    if problem:
        raise CheckpointError(f"The tuning diverged: {problem}.", "Choose a lower learning rate.")


def _iteration_loss(tuned: UNetPrior, images: Tensor, recipe: FinetuneRecipe, seed: int, iteration: int) -> Tensor:
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
    with torch.random.fork_rng(devices=devices):
        # Dropout takes no generator: its draws are tied to the iteration instead, so they need no saved state.
        torch.manual_seed(derive_seed(seed, "dropout", iteration))
        output = tuned.predict(x_t, t)
    return training_loss(output, x0, noise, t, tuned.schedule, tuned.parameterization).total.mean()


class _LossSum:
    """Adds up losses in the order they came, and waits for the device only when the sum is asked for."""

    def __init__(self) -> None:
        self.total = 0.0
        self._waiting: list[Tensor] = []

    def add(self, loss: Tensor) -> None:
        self._waiting.append(loss.detach())

    def sum(self) -> float:
        if self._waiting:
            for value in torch.stack(self._waiting).tolist():
                self.total += value
        self._waiting.clear()
        return self.total


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


def _resume_state(
    iteration: int, loss_sum: float, parameters: dict[str, torch.nn.Parameter], optimizer: torch.optim.AdamW
) -> bytes:
    arrays: dict[str, np.ndarray] = {}
    for name, parameter in parameters.items():
        moments: dict[str, Any] = optimizer.state[parameter]
        arrays[f"weight/{name}"] = parameter.detach().cpu().numpy()
        arrays[f"first/{name}"] = moments["exp_avg"].cpu().numpy()
        arrays[f"second/{name}"] = moments["exp_avg_sq"].cpu().numpy()
    return pack(arrays, {"iteration": iteration, "loss_sum": loss_sum})


def _load_resume_state(
    state: bytes, parameters: dict[str, torch.nn.Parameter], optimizer: torch.optim.AdamW
) -> tuple[int, float]:
    arrays, values = unpack(state)
    iteration = int(values["iteration"])
    fused = bool(optimizer.defaults["fused"])
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(torch.from_numpy(arrays[f"weight/{name}"]))
            optimizer.state[parameter] = {
                # Where AdamW itself counts: beside the weights if fused, else on the CPU.
                "step": torch.tensor(float(iteration), device=parameter.device if fused else "cpu"),
                "exp_avg": _like(arrays[f"first/{name}"], parameter),
                "exp_avg_sq": _like(arrays[f"second/{name}"], parameter),
            }
    return iteration, float(values["loss_sum"])


def _like(array: np.ndarray, parameter: torch.nn.Parameter) -> Tensor:
    """An optimizer moment with its parameter's memory layout, so that resumed sums run in the same order."""
    moment = torch.empty_like(parameter, requires_grad=False)
    moment.copy_(torch.from_numpy(array))
    return moment
