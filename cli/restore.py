"""`heirloom restore`: photos in, restored faces out."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli.device import Device, Precision, open_device
from cli.errors import error_as_json, exit_code_of, json_errors, print_error
from cli.progress import console, print_run, print_seconds
from cli.requests import choose_recipe, open_prior, ports_for, read_photo, read_photos
from cli.settings import home, prior_name
from core.domain.errors import CheckpointUnreadableError, HeirloomError, InvalidRequestError, OutputUnwritableError
from core.domain.mode import Mode
from core.imaging.files import check_writable, make_folder, write_atomically
from core.imaging.intake import encode
from core.recipes.schema import Recipe, noise_steps_for, override

if TYPE_CHECKING:
    from core.pipeline.request import PhotoResult

FORMATS: dict[str, Literal["png", "jpeg", "webp"]] = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
OTHER_PICTURES = {".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jxl", ".psd", ".tga", ".tif", ".tiff"}
"""Names that mean a picture, of a kind that is not written here: not a folder's name."""


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
    candidates: Annotated[
        int, typer.Option(help="Results for each photo, 1 … 8; number 1 has the face likest to the photo's own.")
    ] = 1,
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
    with json_errors(as_json):
        if fidelity is not None and noise_steps is not None:
            raise InvalidRequestError("--fidelity and --noise-steps say the same thing.", "Give one of them.")
        if fidelity is not None:
            noise_steps = noise_steps_for(fidelity)
        chosen_mode = mode or (Mode.PERSONAL if checkpoint or album else Mode.GENERATIVE)
        from core.pipeline.plan import carried_out, plan
        from core.pipeline.request import RestoreRequest
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
        numbers = carried_out(request, numbers)
        targets = output_paths(photos, output, candidates, album)
        where = open_device(device)
        from core.pipeline.checkpoint import check_fits, read_info
        from core.pipeline.run import run

        tuned = read_info(checkpoint) if checkpoint else None
        if tuned is not None:
            check_fits(tuned, spec)
            numbers = numbers.model_copy(update={"finetune": tuned.finetune})
            warn_of_untuned_steps(numbers)
        make_way(targets, is_folder(photos, output))
        loaded = open_prior(name, where, precision)
        if verbose:
            print_run(numbers, loaded, seed)

        report: dict[int, dict[str, Any]] = {}
        failures: list[HeirloomError] = []

        def on_photo(index: int, result: "PhotoResult") -> None:
            report[index] = {"photo": str(photos[index]), **write_result(result, targets[index])}
            if result.error is not None:
                failures.append(result.error)
                print_error(result.error, str(photos[index]))

        with ports_for(calls, quiet=as_json) as ports:
            result = run(calls, request, numbers, loaded, ports, on_photo, forget=True)

    seconds = {stage: value for stage, value in result.seconds.items() if value}
    if as_json:
        entries = [report[index] for index in sorted(report)]
        about = {"recipe": numbers.model_dump(mode="json"), "prior_sha256": spec.sha256, "seed": seed}
        about["checkpoint"] = tuned.as_json() if tuned is not None else None
        typer.echo(json.dumps({"photos": entries, **about, "seconds": seconds}, indent=1))
    else:
        for index in sorted(report):
            for written in report[index].get("outputs", []):
                console.print(f"[green]wrote[/] {written['path']}", highlight=False)
        if verbose:
            print_seconds(seconds)
    if failures:
        raise typer.Exit(exit_code_of(failures[0]))


def is_folder(photos: list[Path], output: Path) -> bool:
    """Whether `-o` names a folder: for several photos, or because its name is no picture's.

    Raises:
        InvalidRequestError: it is named as a picture that cannot be written, or as one where there are several photos.
    """
    suffix = output.suffix.lower()
    if output.is_dir() or suffix not in FORMATS.keys() | OTHER_PICTURES:
        return True
    if suffix in OTHER_PICTURES:
        raise InvalidRequestError(
            f"{output} is named as a kind of picture that is not written here.",
            f"End its name in {', '.join(FORMATS)}, or name a folder.",
        )
    if len(photos) > 1 and not output.exists():
        raise InvalidRequestError(f"{output} is named as one picture, and there are several photos.", "Name a folder.")
    return len(photos) > 1


def output_paths(photos: list[Path], output: Path, candidates: int, album: Path | None = None) -> list[list[Path]]:
    """Where each photo's candidates go: one file, or a folder with one file a photo. Nothing is made yet.

    Raises:
        InvalidRequestError: from `is_folder`.
        OutputUnwritableError: the place is a photo or one of the album, or no folder, or two photos share a name.
    """
    into_folder = is_folder(photos, output)
    if into_folder and output.exists() and not output.is_dir():
        raise OutputUnwritableError(f"{output} is a file, and there are several photos.", "Name a folder with -o.")
    bases = [output / f"{photo.stem}.png" if into_folder else output for photo in photos]
    if len(set(bases)) != len(bases):
        twice = next(base.name for base in bases if bases.count(base) > 1)
        raise OutputUnwritableError(f"Two photos would both become {twice}.", "Restore them into different folders.")
    targets = [
        [base if candidates == 1 else base.with_stem(f"{base.stem}-{number + 1}") for number in range(candidates)]
        for base in bases
    ]
    originals = {photo.resolve() for photo in [*photos, *(album.rglob("*") if album else ())]}
    for target in (path for paths in targets for path in paths):
        if target.resolve() in originals:
            raise OutputUnwritableError(
                f"{target} is one of the photos.", "Photos are never overwritten: name another."
            )
    return targets


def make_way(targets: list[list[Path]], into_folder: bool) -> None:
    """Make the results' folder where it may be made, and find out now that they can be written.

    Raises:
        OutputError: they cannot.
    """
    if into_folder:
        make_folder(targets[0][0].parent)
    for target in (path for paths in targets for path in paths):
        check_writable(target)


def warn_of_untuned_steps(recipe: Recipe) -> None:
    """Say in one line that a ready checkpoint was tuned below this K only; to go on is right, to be silent is not."""
    below = recipe.finetune.timesteps_below if recipe.finetune is not None else None
    if below is not None and recipe.restore.noise_steps > below:
        console.print(
            f"[yellow]warning[/] K is {recipe.restore.noise_steps}, and the checkpoint was tuned on timesteps below "
            f"{below} only: above, the prior does not know the person. Choose -k {below} or less.",
            soft_wrap=True,
            highlight=False,
        )


def write_result(result: "PhotoResult", targets: list[Path]) -> dict[str, Any]:
    """Write a photo's candidates, and say what was written."""
    if result.error is not None:
        return {"error": error_as_json(result.error)}
    outputs = []
    for candidate, target in zip(result.candidates, targets, strict=True):
        write_atomically(target, encode(candidate.image, FORMATS[target.suffix.lower()]))
        outputs.append({"path": str(target), "scores": candidate.scores})
    return {"outputs": outputs}


def read_checkpoint(path: Path) -> bytes:
    """A checkpoint's bytes, not looked at yet.

    Raises:
        CheckpointUnreadableError: no such file, or it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointUnreadableError(
            f"The checkpoint {path} cannot be read: {error.strerror}.",
            "`heirloom tune ALBUM -o FILE.safetensors` makes one.",
        ) from error
