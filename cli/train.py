"""`heirloom models train`: a prior of anybody's own domain, from any folder or zip of images."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.device import Device, open_device
from cli.progress import console, new_progress
from cli.requests import SignalCancel
from cli.settings import home
from core.domain.errors import BadInputError, InvalidRecipeError, InvalidRequestError, OutOfMemoryError
from core.imaging.files import output_error
from core.priors.locate import STARTER_FOLDER, locate_prior
from core.priors.spec import LinearScheduleSpec, PriorSpec
from core.priors.training.recipe import allowed_range, build_training_recipe
from core.priors.training.sources import names_from_index

STARTER_NETWORK: dict[str, Any] = {
    "sample_size": 64,
    "in_channels": 12,
    "out_channels": 12,
    "down_block_types": ["DownBlock2D", "DownBlock2D", "DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D", "UpBlock2D", "UpBlock2D"],
    "block_out_channels": [64, 96, 128, 192],
    "layers_per_block": 1,
    "attention_head_dim": 32,
    "norm_num_groups": 16,
    "norm_eps": 1e-5,
    "act_fn": "silu",
}
"""8.2 million parameters behind a factor-2 pixel-unshuffle: small enough to train and to run without a GPU."""
_NUMBERS = "`heirloom models train --help` explains every number."


def train_command(
    sources: Annotated[list[Path], typer.Argument(help="Folders or zips of images.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the prior and its resume state.")],
    start: Annotated[str | None, typer.Option("--from", help="Prior to continue: a folder or a name.")] = None,
    name: Annotated[str, typer.Option(help="Name of the new prior.")] = "trained",
    category: Annotated[str, typer.Option(help="What it is a prior of.")] = "faces",
    licence: Annotated[
        str, typer.Option(help="Of the weights; it follows from the pictures.")
    ] = "unknown: decided by the pictures",
    source: Annotated[str, typer.Option(help="What the pictures are, in words.")] = "",
    resolution: Annotated[int, typer.Option(help="Pixels a side, without --from: 16, 32, 48 … 1024.")] = 128,
    steps: Annotated[int, typer.Option(help=f"Optimizer steps: {allowed_range('steps')}.")] = 4_000,
    batch: Annotated[int, typer.Option(help=f"Images a step: {allowed_range('batch')}.")] = 16,
    learning_rate: Annotated[float, typer.Option(help=f"AdamW's: {allowed_range('learning_rate')}.")] = 2e-4,
    warmup_steps: Annotated[int, typer.Option(help=f"Steps of linear warm-up: {allowed_range('warmup_steps')}.")] = 50,
    decay_fraction: Annotated[
        float, typer.Option(help=f"Last part of the steps with linear decay to 0: {allowed_range('decay_fraction')}.")
    ] = 1.0,
    ema_decay: Annotated[float, typer.Option(help=f"Of the averaged weights: {allowed_range('ema_decay')}.")] = 0.999,
    min_snr: Annotated[
        float, typer.Option(help=f"Ceiling of the min-SNR weight: {allowed_range('min_snr')}; 0: plain squared error.")
    ] = 5.0,
    low_fraction: Annotated[
        float, typer.Option(help=f"Part of the timesteps drawn low: {allowed_range('low_fraction')}.")
    ] = 0.5,
    low_below: Annotated[int, typer.Option(help=f"What low means: {allowed_range('low_below')}.")] = 400,
    flips: Annotated[bool, typer.Option(help="Mirror at random.")] = True,
    precision: Annotated[str, typer.Option(help=f"Autocast or not: {allowed_range('precision')}.")] = "fp32",
    held_out: Annotated[int, typer.Option(help=f"Images held out to measure on: {allowed_range('held_out')}.")] = 128,
    index: Annotated[Path | None, typer.Option(help="CSV of file,source.")] = None,
    hold_out_source: Annotated[list[str] | None, typer.Option(help="Only these sources may be held out.")] = None,
    seed: Annotated[int, typer.Option(help=f"Of everything random: {allowed_range('seed')}.")] = 0,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.AUTO,
    save_every: Annotated[float, typer.Option(help="Seconds between resume states: at least 0.")] = 300.0,
    measure_every: Annotated[int, typer.Option(help="Steps between measurements: at least 1.")] = 500,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable on standard output.")] = False,
) -> None:
    """Train a prior, or continue one; Ctrl-C keeps the state and the same command goes on."""
    recipe = build_training_recipe(
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        warmup_steps=warmup_steps,
        decay_fraction=decay_fraction,
        ema_decay=ema_decay,
        min_snr=min_snr or None,
        low_fraction=low_fraction,
        low_below=low_below,
        flips=flips,
        precision=precision,
        held_out=held_out,
        seed=seed,
    )
    if start is None and (resolution % 16 or not 16 <= resolution <= 1024):
        # Halved by the pixel-unshuffle and by three of the network's levels.
        raise InvalidRecipeError(f"resolution is {resolution}, allowed is 16, 32, 48 … 1024.", _NUMBERS)
    if not save_every >= 0:  # nor nan
        raise InvalidRecipeError(f"save_every is {save_every}, allowed is at least 0.", _NUMBERS)
    if measure_every < 1:
        raise InvalidRecipeError(f"measure_every is {measure_every}, allowed is at least 1.", _NUMBERS)
    if (index is None) != (not hold_out_source):
        raise BadInputError("--index and --hold-out-source say nothing without each other.", "Give both, or neither.")
    allowed = names_from_index(index, hold_out_source) if index is not None and hold_out_source else None
    _refuse_a_prior_in_use(start, output)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(error, output) from error
    where = open_device(device)  # here and below: `--help` and wrong numbers should not wait for torch
    import torch

    from core.priors.diffusers_unet import UNetPrior, build_network
    from core.priors.locate import load_prior
    from core.priors.training.dataset import load_training_set
    from core.priors.training.export import export_prior
    from core.priors.training.state import Row
    from core.priors.training.trainer import train

    if start is not None:
        prior = load_prior(start, home())
    else:
        torch.manual_seed(seed)
        network = STARTER_NETWORK | {"sample_size": resolution // 2}
        spec = PriorSpec(
            name=name,
            network=network,
            pixel_unshuffle=2,
            schedule=LinearScheduleSpec(),
            resolution=resolution,
            sha256="0" * 64,
        )
        prior = UNetPrior(spec, build_network(spec))
    prior.to(where, torch.bfloat16 if recipe.precision == "bf16" else None)

    with SignalCancel().installed() as cancel, new_progress(quiet=as_json) as bar:
        reading = bar.add_task("reading images", total=None)

        def on_image(count: int) -> None:
            cancel.check()
            bar.update(reading, completed=count)

        data = load_training_set(
            sources,
            prior.spec.resolution,
            recipe.held_out,
            (lambda entry: entry in allowed) if allowed is not None else (lambda _: True),
            on_image,
        )
        bar.update(reading, total=len(data.train) + len(data.held_out))
        console.print(f"{len(data.train)} images to train on, {len(data.held_out)} held out.")
        for broken in data.broken:
            console.print(f"left out {broken}: it cannot be decoded", markup=False, highlight=False)
        training = bar.add_task("training", total=recipe.steps, resumed_at=None)
        first: list[int] = []

        def on_step(step: int, loss: float) -> None:
            cancel.check()
            if not first:
                first.append(step - 1)
            bar.update(training, completed=step, resumed_at=first[0], description=f"training (loss {loss:.4f})")
            if bar.disable and not as_json and step % 50 == 0:
                console.print(f"step {step}/{recipe.steps} loss {loss:.4f}", highlight=False)

        def export(averaged: UNetPrior, history: list[Row], finished: bool) -> PriorSpec:
            return export_prior(
                averaged,
                output,
                name=name,
                category=category,
                licence=licence,
                recipe=recipe,
                history=history,
                held_out=data.held_out,
                source=source,
                finished=finished,
            )

        try:
            averaged, history = train(
                prior,
                data,
                recipe,
                output,
                on_step=on_step,
                on_measure=lambda measured, rows: export(measured, rows, finished=False),
                save_every_seconds=save_every,
                measure_every_steps=measure_every,
            )
        except torch.OutOfMemoryError as error:
            raise OutOfMemoryError(
                f"The device has too little memory for {recipe.batch} images a step.", "Choose a smaller --batch."
            ) from error
    with new_progress(quiet=as_json) as bar:
        bar.add_task("sampling pictures of what it learned", total=None)
        written = export(averaged, history, finished=True)
    if as_json:
        about = {"folder": str(output), "prior": written.model_dump(mode="json"), "recipe": recipe.model_dump()}
        measured = history[-1] if history else None
        typer.echo(json.dumps(about | {"measured": measured, "broken": list(data.broken)}, indent=1))
        return
    console.print(f"Prior {written.name!r} stands in {output}; its hash is {written.sha256[:12]}.", soft_wrap=True)


def _refuse_a_prior_in_use(start: str | None, output: Path) -> None:
    """A training writes its prior over what stands in its folder: never over the one it starts from, nor the starter.

    Raises:
        InvalidRequestError: it would.
        PriorUnavailableError: there is no prior to start from.
    """
    advice = "Name another folder with -o."
    if start is not None and locate_prior(start, home()).resolve() == output.resolve():
        raise InvalidRequestError(f"{output} holds the prior that --from names, and would be overwritten.", advice)
    if output.resolve() == STARTER_FOLDER.resolve():
        raise InvalidRequestError(f"{output} holds the starter prior that Heirloom ships with.", advice)
