"""One stage of the pipeline, measured in a process of its own, so that its peak memory is its own.

    python -m benchmarks.stage_runs '{"prior": "adm-256", "stage": "restore-ancestral", …}'

prints one JSON object; `benchmarks.stages` runs it for every stage and keeps the rows.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
import torch

from benchmarks.adm256 import open_benchmark_prior
from benchmarks.clock import Clock, PassCounter
from benchmarks.flops import count_passes, matmul_flop_per_second, synchronize
from benchmarks.memory import peak_bytes
from cli.device import Device, Precision, autocast_of, open_device
from core.domain.mode import Mode
from core.pipeline.album import sample_album
from core.pipeline.finetune import finetune
from core.pipeline.restore import restore_batch
from core.priors.diffusers_unet import UNetPrior
from core.recipes.presets import default_preset
from core.recipes.schema import AlbumRecipe, FinetuneRecipe, RestoreRecipe, with_noise_steps

LOAD = "load"
STAGES = (
    LOAD,
    "album-batch",
    "album-single",
    "finetune-full",
    "finetune-full-compiled",
    "finetune-low-rank",
    "restore-ancestral",
    "restore-dpm-solver++",
)


@dataclass(frozen=True)
class Settings:
    """What to measure.

    Attributes:
        prior: `adm-256` (random weights), or a prior's name or folder.
        device: cpu, cuda or mps.
        precision: fp32 or bf16.
        stage: one of STAGES.
        fraction: of the preset's steps; the rest is extrapolated from their rate.
        images: of the album.
    """

    prior: str
    device: str
    precision: str
    stage: str
    fraction: float
    images: int


def part(number: int, fraction: float, multiple: int = 1) -> int:
    """A fraction of a number of steps: a multiple of `multiple`, at least that and 2, at most the number."""
    return min(number, max(2, multiple, round(number * fraction / multiple) * multiple))


def measure(prior: UNetPrior, settings: Settings, warm_up: bool) -> dict[str, float]:
    """Run one stage but `load` and say what it took.

    Args:
        prior: on the device to measure.
        settings: its stage, fraction and number of images count here.
        warm_up: first run the least of the same stage, unmeasured: a GPU's kernels are loaded when first used.

    Returns:
        steps, seconds, setup_seconds, step_seconds, whole_seconds, pflop, whole_pflop, tflop_per_second, peak_mib.
    """
    recipe = with_noise_steps(default_preset(Mode.GENERATIVE, prior.spec.resolution).recipe, None, by_photo=False)
    if recipe.album is None or recipe.finetune is None:
        raise ValueError(f"the preset {recipe.name} is not a generative one")
    passes = count_passes(prior.spec, recipe.finetune.rank)
    if settings.stage.startswith("album"):
        stage: Stage = partial(_album, prior, recipe.album)
    elif settings.stage.startswith("finetune"):
        stage = partial(_finetune, prior, recipe.finetune)
    else:
        stage = partial(_restore, prior, recipe.restore)
    if warm_up:
        # A compiled stage is warmed up without compiling, or its compiler would find its results of just before.
        plain = settings.stage.removesuffix("-compiled")
        stage(replace(settings, stage=plain, fraction=0.0), Clock(prior.device))
    clock = Clock(prior.device)
    clock.start()
    work = stage(settings, clock)
    numbers = clock.stop(work.whole_steps)
    flop = work.plain * passes.forward + work.guided * passes.guided
    flop += work.full * passes.full + work.low_rank * passes.low_rank
    return {
        "steps": work.steps,
        **numbers,
        "pflop": flop / 1e15,
        "whole_pflop": flop / 1e15 * work.whole_steps / work.steps,
        "tflop_per_second": flop / (numbers["step_seconds"] * work.steps) / 1e12,
        "peak_mib": peak_bytes(prior.device) / 2**20,
    }


@dataclass(frozen=True)
class Work:
    """What a stage did: its steps, those of its real size, and images by the kind of their pass (flops.Passes)."""

    steps: int
    whole_steps: int
    plain: int = 0
    guided: int = 0
    full: int = 0
    low_rank: int = 0


Stage = Callable[[Settings, Clock], Work]


def _faces(prior: UNetPrior, count: int) -> list[np.ndarray]:
    """Pictures to compute with: [R, R, 3] uint8; what they show does not change the time."""
    side = prior.spec.resolution
    return [np.random.default_rng(i).integers(0, 256, (side, side, 3), dtype=np.uint8) for i in range(count)]


def _album(prior: UNetPrior, recipe: AlbumRecipe, settings: Settings, clock: Clock) -> Work:
    noise_steps = min(recipe.start_steps, prior.schedule.steps)
    if recipe.sampler == "ancestral":
        # A multiple of n, so that the share of guided steps is the real one.
        whole, steps = noise_steps, part(noise_steps, settings.fraction, min(recipe.guidance_every, noise_steps))
        recipe = recipe.model_copy(update={"start_steps": steps})
    else:
        whole = min(recipe.sampler_steps, noise_steps)
        steps = part(whole, settings.fraction)
        recipe = recipe.model_copy(update={"start_steps": noise_steps, "sampler_steps": steps})
    batch = settings.images if settings.stage == "album-batch" else 1
    chains = settings.images // batch
    with PassCounter(prior.network) as counted:
        for begin in range(0, settings.images, batch):
            sample_album(
                prior,
                _faces(prior, 1)[0],
                recipe,
                0,
                "benchmark",
                range(begin, begin + batch),
                on_step=lambda done, _: clock.tick(done),
                load_state=lambda: None,
                save_state=lambda _: None,
            )
    return Work(steps * chains, whole * chains, plain=counted.plain, guided=counted.guided)


def _finetune(prior: UNetPrior, recipe: FinetuneRecipe, settings: Settings, clock: Clock) -> Work:
    method = "low_rank" if settings.stage == "finetune-low-rank" else "full"
    below = min(recipe.timesteps_below or prior.schedule.steps, prior.schedule.steps)
    whole, steps = recipe.iterations, part(recipe.iterations, settings.fraction)
    finetune(
        prior,
        _faces(prior, settings.images),
        recipe.model_copy(update={"iterations": steps, "method": method, "timesteps_below": below}),
        0,
        "0" * 64,
        on_step=clock.tick,
        load_state=lambda: None,
        save_state=lambda _: None,
        compiled=settings.stage == "finetune-full-compiled",
    )
    samples = steps * recipe.batch
    return Work(steps, whole, **{method: samples})


def _restore(prior: UNetPrior, recipe: RestoreRecipe, settings: Settings, clock: Clock) -> Work:
    noise_steps = min(recipe.noise_steps, prior.schedule.steps)
    if settings.stage == "restore-ancestral":
        whole, steps = noise_steps, part(noise_steps, settings.fraction)
        recipe = recipe.model_copy(update={"sampler": "ancestral", "noise_steps": steps})
    else:
        whole = min(recipe.sampler_steps, noise_steps)
        steps = part(whole, settings.fraction)
        numbers = {"sampler": "dpm-solver++", "noise_steps": noise_steps, "sampler_steps": steps}
        recipe = recipe.model_copy(update=numbers)
    with PassCounter(prior.network) as counted:
        restore_batch(
            prior, _faces(prior, 1), recipe, [0], ["benchmark"], [0], on_step=lambda done, _: clock.tick(done)
        )
    return Work(steps, whole, plain=counted.plain, guided=counted.guided)


def main(text: str) -> None:
    """Measure what the JSON of a `Settings` says and print the numbers as JSON."""
    settings = Settings(**json.loads(text))
    device = open_device(Device(settings.device))
    precision = autocast_of(Precision(settings.precision), device)
    import diffusers  # noqa: F401  # seconds that are no part of loading a prior

    begun = time.perf_counter()
    prior = open_benchmark_prior(settings.prior, device, precision)
    synchronize(device)
    load_seconds = time.perf_counter() - begun
    if settings.stage == LOAD:
        numbers = {"seconds": load_seconds, "whole_seconds": load_seconds, "peak_mib": peak_bytes(device) / 2**20}
    else:
        numbers = measure(prior, settings, warm_up=device.type == "cuda")
        # After the peak was read: the matrices are large.
        roofline = matmul_flop_per_second(device, precision or torch.float32)
        numbers["matmul_tflop_per_second"] = roofline / 1e12
    print(json.dumps(asdict(settings) | numbers))


if __name__ == "__main__":
    main(sys.argv[1])
