"""`heirloom tune`: an album in, a subject checkpoint out."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from cli.album_report import print_curve, print_report
from cli.device import Device, Precision, open_device
from cli.errors import json_errors
from cli.progress import console, duration, print_run, print_seconds
from cli.requests import choose_recipe, open_prior, ports_for, read_photos
from cli.settings import face_finder, home, prior_name
from core.domain.errors import AlbumMixedIdentityError, AlbumTooSmallError, InvalidRequestError
from core.domain.mode import Mode
from core.domain.subject import Category
from core.imaging.files import check_writable, write_atomically
from core.recipes.schema import override


def tune_command(
    album: Annotated[Path, typer.Argument(help="The person's photos: a zip or a folder; about twenty, varied.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The checkpoint, e.g. alice.safetensors.")],
    recipe: Annotated[str | None, typer.Option(help="A personal preset of `heirloom recipes`.")] = None,
    iterations: Annotated[int | None, typer.Option(help="Optimizer steps instead of the recipe's.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Instead of the recipe's.")] = None,
    low_rank: Annotated[int | None, typer.Option(help="Tune adapters of this rank instead of all weights.")] = None,
    aligned: Annotated[bool, typer.Option("--aligned", help="The photos are face crops in FFHQ framing.")] = False,
    category: Annotated[Category, typer.Option(help="What the album shows; of a person faces are found.")] = (
        Category.PERSON
    ),
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same checkpoint.")] = 0,
    prior: Annotated[str | None, typer.Option(help="A prior's name or folder; default HEIRLOOM_PRIOR.")] = None,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.AUTO,
    precision: Annotated[Precision, typer.Option(help="How precisely.")] = Precision.AUTO,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable report on standard output.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Say more.")] = False,
) -> None:
    """Tune once on a person's album; restore many photos with the checkpoint afterwards."""
    with json_errors(as_json):
        if output.suffix != ".safetensors":
            raise InvalidRequestError(f"{output} is not named as a checkpoint.", "End its name in .safetensors.")
        from core.pipeline.plan import plan
        from core.pipeline.request import TuneRequest
        from core.priors.locate import describe_prior

        name = prior or prior_name()
        spec = describe_prior(name, home())
        numbers = override(
            choose_recipe(recipe, Mode.PERSONAL, spec.resolution),
            {
                "finetune.iterations": iterations,
                "finetune.learning_rate": learning_rate,
                "finetune.method": "low_rank" if low_rank is not None else None,
                "finetune.rank": low_rank,
            },
        )
        request = TuneRequest(read_photos(album, aligned), seed, category, face_finder())
        calls = plan(request, numbers, spec)
        check_writable(output)
        loaded = open_prior(name, open_device(device), precision)
        from core.pipeline.checkpoint import read_info
        from core.pipeline.run import run

        if verbose:
            print_run(numbers, loaded, seed)
        with ports_for(calls, quiet=as_json) as ports:
            with _report_shown(as_json):
                result = run(calls, request, numbers, loaded, ports)
            if result.checkpoint is None or result.album is None:
                raise RuntimeError("a tune plan ended without a checkpoint")
            write_atomically(output, result.checkpoint)
    report, info = result.album, read_info(result.checkpoint)
    kept = len(report.kept)
    if as_json:
        about = {"checkpoint": str(output), "kept": kept, "album": report.as_json()}
        about |= {"step": info.step, "scores": info.scores, "seconds": result.seconds}
        typer.echo(json.dumps(about, indent=1))
        return
    print_report(report)
    print_curve(info)
    if verbose:
        print_seconds(result.seconds)
    spent = duration(sum(result.seconds.values()))
    console.print(
        f"[green]wrote[/] {output}: tuned on {len(report.anchors)} of {len(report.photos)} photos, "
        f"scored on {len(report.held_out)}, in {spent}",
        highlight=False,
    )


@contextmanager
def _report_shown(as_json: bool) -> Iterator[None]:
    """Where an album is refused, what its photos are said to show is the way to a better one."""
    try:
        yield
    except (AlbumTooSmallError, AlbumMixedIdentityError) as error:
        if error.report is not None and not as_json:
            print_report(error.report)
        raise
