"""`heirloom restore`: photos in, restored faces out."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli.device import Device, Precision
from cli.errors import exit_code_of, print_error
from cli.progress import StageBars, console, print_run, print_seconds
from cli.requests import (
    RESUME_STATE_DAYS,
    SignalCancel,
    choose_recipe,
    open_prior,
    read_photo,
    read_photos,
    work_folder,
)
from cli.settings import home, prior_name
from core.domain.errors import BadInputError, CheckpointUnreadableError, HeirloomError, OutputUnwritableError
from core.domain.mode import Mode
from core.imaging.files import check_writable, write_atomically
from core.imaging.intake import encode
from core.recipes.schema import noise_steps_for, override

if TYPE_CHECKING:
    from core.pipeline.request import PhotoResult

FORMATS: dict[str, Literal["png", "jpeg", "webp"]] = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}


def restore_command(
    photos: Annotated[list[Path], typer.Argument(help="Photos to restore.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="A file, or a folder for several.")],
    mode: Annotated[
        Mode | None, typer.Option(help="Default: personal with a checkpoint or album, else generative.")
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="A subject checkpoint from `heirloom tune`.")] = None,
    album: Annotated[Path | None, typer.Option(help="Or the person's album: a zip or a folder.")] = None,
    recipe: Annotated[str | None, typer.Option(help="A preset of `heirloom recipes`.")] = None,
    noise_steps: Annotated[int | None, typer.Option("-k", "--noise-steps", help="K; more is freer.")] = None,
    fidelity: Annotated[float | None, typer.Option(help="0 … 1 instead of K; 1 is the most faithful.")] = None,
    candidates: Annotated[int, typer.Option(help="Results for each photo, 1 … 8.")] = 1,
    aligned: Annotated[bool, typer.Option("--aligned", help="The photos are face crops in FFHQ framing.")] = False,
    native: Annotated[bool, typer.Option("--native", help="The prior's own size instead of the crop's.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same result.")] = 0,
    prior: Annotated[str | None, typer.Option(help="A prior's name or folder; default HEIRLOOM_PRIOR.")] = None,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.AUTO,
    precision: Annotated[Precision, typer.Option(help="How precisely.")] = Precision.AUTO,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable report on standard output.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Say more.")] = False,
) -> None:
    """Restore photos: the largest face of each, at the size it has there."""
    if fidelity is not None and noise_steps is not None:
        raise BadInputError("--fidelity and --noise-steps say the same thing.", "Give one of them.")
    if fidelity is not None:
        noise_steps = noise_steps_for(fidelity)
    chosen_mode = mode or (Mode.PERSONAL if checkpoint or album else Mode.GENERATIVE)
    targets = output_paths(photos, output, candidates)
    from core.pipeline.folder_store import FolderStore, delete_stale
    from core.pipeline.plan import plan
    from core.pipeline.ports import Ports
    from core.pipeline.request import RestoreRequest
    from core.pipeline.run import run
    from core.priors.locate import describe_prior

    name = prior or prior_name()
    spec = describe_prior(name, home())
    numbers = override(choose_recipe(recipe, chosen_mode, spec.resolution), {"restore.noise_steps": noise_steps})
    request = RestoreRequest(
        photos=tuple(read_photo(path, aligned) for path in photos),
        checkpoint=read_checkpoint(checkpoint) if checkpoint else None,
        album=read_photos(album, aligned=False) if album else (),
        candidates=candidates,
        seed=seed,
        native=native,
    )
    calls = plan(request, numbers, spec)
    loaded = open_prior(name, device, precision)
    delete_stale(home() / "work", RESUME_STATE_DAYS * 86_400)
    store = FolderStore(work_folder(calls))
    if verbose:
        print_run(numbers, loaded, seed)

    report: dict[int, dict[str, Any]] = {}
    failures: list[HeirloomError] = []

    def on_photo(index: int, result: "PhotoResult") -> None:
        report[index] = {"photo": str(photos[index]), **write_result(result, targets[index])}
        if result.error is not None:
            failures.append(result.error)
            print_error(result.error, str(photos[index]))

    with SignalCancel().installed() as cancel, StageBars(quiet=as_json) as bars:
        result = run(calls, request, numbers, loaded, Ports(bars, cancel, store), on_photo)
    store.delete()

    seconds = {stage: value for stage, value in result.seconds.items() if value}
    if as_json:
        entries = [report[index] for index in sorted(report)]
        about = {"recipe": numbers.model_dump(mode="json"), "prior_sha256": spec.sha256, "seed": seed}
        typer.echo(json.dumps({"photos": entries, **about, "seconds": seconds}, indent=1))
    else:
        for index in sorted(report):
            for written in report[index].get("outputs", []):
                console.print(f"[green]wrote[/] {written['path']}", highlight=False)
        if verbose:
            print_seconds(seconds)
    if failures:
        raise typer.Exit(exit_code_of(failures[0]))


def output_paths(photos: list[Path], output: Path, candidates: int) -> list[list[Path]]:
    """Where each photo's candidates go: one file, or a folder with one file a photo.

    Raises:
        OutputUnwritableError: the place cannot be written, is a photo itself, or two photos would share a name.
    """
    is_folder = len(photos) > 1 or output.is_dir() or output.suffix.lower() not in FORMATS
    if is_folder:
        if output.exists() and not output.is_dir():
            raise OutputUnwritableError(f"{output} is a file, and there are several photos.", "Name a folder with -o.")
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputUnwritableError(
                f"The folder {output} cannot be made: {error.strerror}.", "Choose another with -o."
            ) from error
    bases = [output / f"{photo.stem}.png" if is_folder else output for photo in photos]
    if len(set(bases)) != len(bases):
        twice = next(base.name for base in bases if bases.count(base) > 1)
        raise OutputUnwritableError(f"Two photos would both become {twice}.", "Restore them into different folders.")
    targets = [
        [base if candidates == 1 else base.with_stem(f"{base.stem}-{number + 1}") for number in range(candidates)]
        for base in bases
    ]
    originals = {photo.resolve() for photo in photos}
    for target in (path for paths in targets for path in paths):
        if target.resolve() in originals:
            raise OutputUnwritableError(
                f"{target} is one of the photos.", "Photos are never overwritten: name another."
            )
        check_writable(target)
    return targets


def write_result(result: "PhotoResult", targets: list[Path]) -> dict[str, Any]:
    """Write a photo's candidates, and say what was written."""
    if result.error is not None:
        return {"error": {"code": result.error.code, "detail": result.error.message, "advice": result.error.advice}}
    outputs = []
    for candidate, target in zip(result.candidates, targets, strict=True):
        write_atomically(target, encode(candidate.image, FORMATS[target.suffix.lower()]))
        outputs.append({"path": str(target), "scores": candidate.scores})
    return {"outputs": outputs}


def read_checkpoint(path: Path) -> bytes:
    """A checkpoint's bytes.

    Raises:
        CheckpointUnreadableError: no such file, or not one of ours.
    """
    from core.pipeline.checkpoint import read_info

    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointUnreadableError(
            f"The checkpoint {path} cannot be read: {error.strerror}.",
            "`heirloom tune ALBUM -o FILE.safetensors` makes one.",
        ) from error
    read_info(path)
    return data
