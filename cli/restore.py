"""`heirloom restore`: photos in, the same photos with restored faces out."""

import json
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.device import Device, Precision, open_device
from cli.errors import exit_code_of, json_errors, print_error, print_warning
from cli.faces_wanted import checkpoints_of, wishes_of
from cli.photo_files import photo_files
from cli.progress import console, print_run, print_seconds
from cli.requests import choose_recipe, open_prior, ports_for, read_checkpoint, read_photo, read_photos
from cli.settings import face_finder, home, prior_name
from cli.targets import targets_of
from cli.writing import why_unrestored, write_result
from core.domain.errors import HeirloomError, InvalidRequestError
from core.domain.face import FaceVerdict
from core.domain.mode import Mode
from core.imaging.recompose import OutputWish
from core.recipes.schema import Recipe, as_wanted, noise_steps_for

if TYPE_CHECKING:
    from core.pipeline.checkpoint import CheckpointInfo
    from core.pipeline.request import PhotoResult

AUTO = "auto"


class Colour(StrEnum):
    """Whose colours a restored face has."""

    PRESERVE = "preserve"
    FREE = "free"


class Metadata(StrEnum):
    """What goes along of a photo's metadata."""

    ALL = "all"
    NO_LOCATION = "no-location"
    NONE = "none"


class Category(StrEnum):
    """What the photos show."""

    PERSON = "person"
    CAT = "cat"
    DOG = "dog"
    OTHER = "other"


def restore_command(
    photos: Annotated[list[Path], typer.Argument(help="Photos to restore, or folders of them.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="A file, or a folder for several.")],
    mode: Annotated[
        Mode | None, typer.Option(help="Default: personal with a checkpoint or album, else generative.")
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="A subject checkpoint from `heirloom tune`.")] = None,
    album: Annotated[Path | None, typer.Option(help="Or the person's album: a zip or a folder.")] = None,
    recipe: Annotated[str | None, typer.Option(help="A preset of `heirloom recipes`.")] = None,
    noise_steps: Annotated[int | None, typer.Option("-k", "--noise-steps", help="K; more is freer.")] = None,
    fidelity: Annotated[
        str | None,
        typer.Option(
            help="0 … 1 instead of K, 1 is the most faithful; auto: a K for each face, up to the "
            "recipe's, as quick-… do without this."
        ),
    ] = None,
    face: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this face, by its number in `heirloom faces`: 0; with its own person: 0=alice.safetensors; "
            "or all but this: 2=keep. May be repeated."
        ),
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(help="A face that is not found: left,top,right,bottom in pixels; and =… as for --face."),
    ] = None,
    candidates: Annotated[
        int, typer.Option(help="Results for each photo, 1 … 8; number 1 has the faces likest to the photo's own.")
    ] = 1,
    aligned: Annotated[bool, typer.Option("--aligned", help="The photos are face crops in FFHQ framing.")] = False,
    category: Annotated[
        Category, typer.Option(help="cat, dog, other: what --box holds is restored, else the whole picture.")
    ] = Category.PERSON,
    colour: Annotated[
        Colour, typer.Option(help="preserve: the photo's colours, grey stays grey; free: the prior's.")
    ] = Colour.PRESERVE,
    keep_metadata: Annotated[
        Metadata, typer.Option(help="What goes along: the date and the camera, and where it was taken.")
    ] = Metadata.ALL,
    native: Annotated[
        bool, typer.Option("--native", help="Faces of --crops, and --aligned photos, in the prior's own size.")
    ] = False,
    crops: Annotated[Path | None, typer.Option(help="A folder for each face by itself, before and after.")] = None,
    layers: Annotated[
        Path | None, typer.Option(help="A folder for each face's crop, mask and result, to finish by hand.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same result.")] = 0,
    prior: Annotated[str | None, typer.Option(help="A prior's name or folder; default HEIRLOOM_PRIOR.")] = None,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.AUTO,
    precision: Annotated[Precision, typer.Option(help="How precisely.")] = Precision.AUTO,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable report on standard output.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Say more.")] = False,
) -> None:
    """Restore the faces of photos; all else stays as it is, and so does the format unless -o names another."""
    with json_errors(as_json):
        photos = photo_files(photos)
        own_steps = fidelity == AUTO
        if fidelity is not None and noise_steps is not None and not own_steps:
            raise InvalidRequestError("--fidelity and --noise-steps say the same thing.", "Give one of them.")
        if fidelity is not None and not own_steps:
            noise_steps = noise_steps_for(_number(fidelity))
        chosen_mode = mode or (Mode.PERSONAL if checkpoint or album else Mode.GENERATIVE)
        from core.pipeline.plan import carried_out, plan
        from core.pipeline.request import RestoreRequest
        from core.priors.calibration import uncalibrated
        from core.priors.locate import describe_prior, is_calibrated

        name = prior or prior_name()
        spec = describe_prior(name, home())
        calibrated = is_calibrated(name, home(), spec)
        if own_steps and not calibrated:
            raise uncalibrated(name)
        wanted = partial(as_wanted, noise_steps=noise_steps, by_photo=own_steps, calibrated=calibrated)
        numbers = wanted(choose_recipe(recipe, chosen_mode, spec.resolution))
        wishes = wishes_of(face or [], box or [], len(photos))
        named = checkpoints_of(wishes)
        own = wanted(choose_recipe(None, Mode.PERSONAL, spec.resolution)) if named else None
        request = RestoreRequest(
            photos=tuple(replace(read_photo(path, aligned), faces=wishes) for path in photos),
            checkpoint=read_checkpoint(checkpoint) if checkpoint else None,
            album=read_photos(album, aligned=False) if album else (),
            candidates=candidates,
            seed=seed,
            native=native,
            checkpoints=named,
            personal_recipe=own,
            category=category.value,
            colour=colour.value,
            keep_metadata=keep_metadata.value,
            finder=face_finder(),
        )
        targets = targets_of(photos, [photo.data for photo in request.photos], output, candidates, album, crops, layers)
        request = replace(request, file_format=targets.file_format)
        calls = plan(request, numbers, spec)
        numbers = carried_out(request, numbers)
        where = open_device(device)
        from core.pipeline.checkpoint import check_fits, read_info
        from core.pipeline.run import run

        tuned = read_info(checkpoint) if checkpoint else None
        for info in (*filter(None, [tuned]), *(read_info(data) for data in named.values())):
            check_fits(info, spec)
            warn_of_untuned_steps(numbers if own is None or info is tuned else own, info)
        if tuned is not None:
            numbers = numbers.model_copy(update={"finetune": tuned.finetune})
        targets.make_way()
        loaded = open_prior(name, where, precision)
        if verbose:
            print_run(numbers, loaded, seed)

        report: dict[int, dict[str, Any]] = {}
        failures: list[HeirloomError] = []
        wish = OutputWish(request.file_format, request.keep_metadata, request.colour, native)

        def on_photo(index: int, result: "PhotoResult") -> None:
            label = str(photos[index])
            written = write_result(request.photos[index].data, result, index, targets, wish)
            report[index] = {"photo": label, **written}
            failures.extend(_told(result, label))

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


def _number(fidelity: str) -> float:
    try:
        return float(fidelity)
    except ValueError as error:
        raise InvalidRequestError(f"--fidelity {fidelity} is no number.", "Say 0 … 1, or auto.") from error


def _told(result: "PhotoResult", label: str) -> list[HeirloomError]:
    """Say what a person should know of a photo's result; what was asked for and not done is a failure."""
    error = why_unrestored(result)
    if error is not None:
        print_error(error, label)
        return [error]
    for warning in result.warnings:
        print_warning(warning, label)
    return [face.error for face in result.faces if face.verdict is FaceVerdict.FAILED and face.error is not None]


def warn_of_untuned_steps(recipe: Recipe, tuned: "CheckpointInfo") -> None:
    """Say in one line that a ready checkpoint was tuned below this K only; to go on is right, to be silent is not."""
    below = tuned.finetune.timesteps_below
    if below is not None and recipe.restore.noise_steps > below:
        console.print(
            f"[yellow]warning[/] K is {recipe.restore.noise_steps}, and the checkpoint was tuned on timesteps below "
            f"{below} only: above, the prior does not know the person. Choose -k {below} or less.",
            soft_wrap=True,
            highlight=False,
        )
