"""`heirloom models calibrate`: how clean pictures look to a prior, so that K can follow from a photo."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.device import Device, Precision, autocast_of, open_device
from cli.progress import console, new_progress
from cli.requests import SignalCancel
from cli.settings import home
from core.domain.errors import BadInputError, PriorError
from core.imaging.files import check_writable
from core.priors.calibration import CALIBRATION_FILE, read_calibration, write_calibration
from core.priors.locate import describe_prior, locate_prior
from core.priors.spec import PriorSpec
from core.priors.training.sources import names_from_index


def calibrate_command(
    name: Annotated[str, typer.Argument(help="A prior under HEIRLOOM_HOME/priors, or a folder.")],
    pictures: Annotated[list[Path], typer.Argument(help="Folders or zips of clean pictures, framed as its own are.")],
    count: Annotated[
        int, typer.Option(min=20, help="How many; of a training's own pictures, as many as it held out.")
    ] = 128,
    index: Annotated[Path | None, typer.Option(help="CSV of file,source, as for `models train`.")] = None,
    hold_out_source: Annotated[
        list[str] | None, typer.Option(help="Only these sources, as for `models train`.")
    ] = None,
    source: Annotated[str, typer.Option(help="What the pictures are, in words.")] = "",
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.AUTO,
    precision: Annotated[Precision, typer.Option(help="How precisely.")] = Precision.AUTO,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable on standard output.")] = False,
) -> None:
    """Measure how clean pictures look to a prior, for `--fidelity auto`; written beside its weights.

    Given the pictures of the prior's own training, it takes the ones that were held out.
    """
    if (index is None) != (not hold_out_source):
        raise BadInputError("--index and --hold-out-source say nothing without each other.", "Give both, or neither.")
    allowed = names_from_index(index, hold_out_source) if index is not None and hold_out_source else None
    folder, spec = locate_prior(name, home()), describe_prior(name, home())
    check_writable(folder / CALIBRATION_FILE)
    where = open_device(device)
    from core.priors.calibrate import calibrate
    from core.priors.locate import load_prior
    from core.priors.training.dataset import load_held_out

    chosen = load_held_out(pictures, spec.resolution, count, lambda entry: allowed is None or entry in allowed)
    _drop_a_damaged_one(folder, spec)
    prior = load_prior(name, home(), where, autocast_of(precision, where))
    with SignalCancel().installed() as cancel, new_progress(quiet=as_json) as bar:
        task = bar.add_task("calibrating", total=count)

        def on_picture(done: int) -> None:
            cancel.check()
            bar.update(task, completed=done)

        calibration = calibrate(prior, chosen, source, on_picture)
    write_calibration(folder, calibration)
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), "calibration": calibration.model_dump(mode="json")}, indent=1))
        return
    console.print(f"{spec.name}: calibrated on {count} pictures; `--fidelity auto` works with it now.", highlight=False)


def _drop_a_damaged_one(folder: Path, spec: PriorSpec) -> None:
    """A calibration that cannot be read keeps its prior from being loaded: it must not keep its own successor away."""
    try:
        read_calibration(folder, spec)
    except PriorError:
        (folder / CALIBRATION_FILE).unlink()
