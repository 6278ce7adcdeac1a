"""How good the restorations are: on faces with a truth, on real degraded ones, on people with an album.

    python -m benchmarks.quality faces      # direct on held-out faces × 5 degradations
    python -m benchmarks.quality generative # quick-generative on held-out faces × mix
    python -m benchmarks.quality real       # direct and generative on real degraded faces
    python -m benchmarks.quality personal   # direct, generative, personal: identity to album photos not tuned on
    python -m benchmarks.quality ladder     # K = 50 … 400, with and without album: the paper's figures 8 and 9

Rows go to CSVs, pictures to sheets, both under benchmarks/out, which git ignores: they show real people. Stopped and
started again, each command goes on; a row stands for (prior, recipe, photo), so another prior or recipe adds rows.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.photos import DEGRADED_HERE, Subject, degraded_face, held_out_faces, real_degraded, rotations, subject
from benchmarks.restorations import Bench, against_truth, identity_between, recipe_key, without_truth
from benchmarks.rows import Rows
from benchmarks.sheets import write_sheet
from benchmarks.tables import print_table
from cli.device import Device, Precision, autocast_of, open_device
from cli.settings import home
from core.domain.mode import Mode
from core.imaging.align import aligned_crop
from core.imaging.degrade import DEGRADATIONS, Degradation
from core.imaging.intake import decode_photo
from core.imaging.resize import resize
from core.pipeline.request import Photo
from core.priors.locate import load_prior
from core.recipes.schema import Recipe, override

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

MODES = ("quick-direct", "quick-generative", "quick-personal")
LADDER = (50, 100, 150, 200, 250, 300, 350, 400)
CHUNK = 20
"""Photos restored at once: no more than these are lost when a run is stopped."""

SPLITS = {"obama": (6, 3), "hermione": (20, 1)} | dict.fromkeys(DEGRADED_HERE, (20, 1))
"""How many album photos are tuned on, and in how many turns: Obama 6 of 9 in rotation, Watson 20 of 36, the others 20
of the 29 or 30 that are left when some are degraded."""


@app.callback()
def common(
    context: typer.Context,
    prior: Annotated[str, typer.Option(help="A prior's name or folder.")] = "starter",
    shared: Annotated[Path, typer.Option(help="The folder of photos beside the checkout.")] = Path("../shared"),
    output: Annotated[Path, typer.Option("-o", "--output", help="For rows, sheets, store.")] = Path("benchmarks/out"),
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    changes: Annotated[list[str] | None, typer.Option("--set", help="E.g. restore.noise_steps=150.")] = None,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.AUTO,
    precision: Annotated[Precision, typer.Option(help="How precisely.")] = Precision.AUTO,
) -> None:
    """What every measurement uses; the options stand before the command."""
    where = open_device(device)
    loaded = load_prior(prior, home(), where, autocast_of(precision, where))
    pairs = (change.partition("=") for change in changes or [])
    context.obj = Bench(loaded, shared, output, seed, {name: value for name, _, value in pairs})


@app.command()
def faces(
    context: typer.Context,
    count: Annotated[int, typer.Option(min=1, help="Faces.")] = 100,
    kinds: Annotated[list[str] | None, typer.Option("--kind", help="Only these degradations.")] = None,
) -> None:
    """Restore held-out faces × 5 degradations in the direct mode: PSNR, SSIM, identity, sharpness with the truth."""
    for kind in (kind for kind in DEGRADATIONS if not kinds or kind in kinds):
        _with_truth(context.obj, context.obj.recipe("quick-direct"), count, kind, CHUNK)
    print_table(_face_rows(context.obj), context.obj.prior_key, by=("recipe", "kind"))


@app.command()
def generative(context: typer.Context, count: Annotated[int, typer.Option(min=1, help="Faces.")] = 12) -> None:
    """Restore held-out faces × mix in the generative mode, an album and a tuning each, beside the direct one."""
    _with_truth(context.obj, context.obj.recipe("quick-generative"), count, "mix", 1)
    rows = _face_rows(context.obj)
    print_table(rows, context.obj.prior_key, by=("recipe", "kind"))
    print(f"The first {count} faces alone, each mode on the same ones:")
    print_table(rows, context.obj.prior_key, by=("recipe", "kind"), only=lambda row: int(row["face"]) < count)


def _face_rows(bench: Bench) -> Rows:
    return Rows(bench.output / "faces.csv", key=("prior", "recipe", "seed", "kind", "face"))


def _with_truth(bench: Bench, recipe: Recipe, count: int, kind: Degradation, chunk: int) -> None:
    truths = held_out_faces(bench.shared, count, bench.prior.spec.resolution)
    rows = _face_rows(bench)
    known = {"prior": bench.prior_key, "recipe": recipe_key(recipe), "seed": bench.seed, "kind": kind}
    left = [number for number in range(count) if not rows.has(face=number, **known)]
    for begin in range(0, len(left), chunk):
        numbers = left[begin : begin + chunk]
        shown = []
        made = bench.restore([degraded_face(truths[number], kind, number) for number in numbers], recipe)
        for number, (photo, result) in zip(numbers, made, strict=True):
            before, after, truth = decode_photo(photo.data), result.candidates[0].image, truths[number]
            rows.add({**known, "face": number} | against_truth(before, truth, "input_") | against_truth(after, truth))
            shown.append([before, after, truth])
        sheet = bench.output / "sheets" / f"faces-{bench.prior_key}-{recipe.name}-{kind}-{numbers[0]:03d}.png"
        write_sheet(sheet, ("input", recipe.name, "truth"), shown)


@app.command()
def real(context: typer.Context) -> None:
    """Restore the real degraded faces in the direct and generative modes: sharpness, residual, and a sheet."""
    bench: Bench = context.obj
    rows = Rows(bench.output / "real.csv", key=("prior", "recipe", "seed", "photo"))
    shown = []
    for photo in real_degraded(bench.shared):
        before = _crop(photo)
        pictures = [before]
        for recipe in (bench.recipe("quick-direct"), bench.recipe("quick-generative")):
            best = bench.restore([photo], recipe)[0][1].candidates[0]
            pictures.append(best.image)
            known = {"prior": bench.prior_key, "recipe": recipe_key(recipe), "seed": bench.seed, "photo": photo.label}
            if not rows.has(**known):
                rows.add(
                    known
                    | {"identity_to_photo": round(identity_between(best.image, before), 4)}
                    | without_truth(bench.prior, resize(before, best.native.shape[0]), before, "input_")
                    | without_truth(bench.prior, best.native, best.image)
                )
        shown.append(pictures)
        part = (len(shown) - 1) // 8
        sheet = bench.output / "sheets" / f"real-{bench.prior_key}-{part}.png"
        write_sheet(sheet, ("input", "direct", "generative"), shown[8 * part :], 256)
    print_table(rows, bench.prior_key, by=("recipe",))


@app.command()
def personal(
    context: typer.Context,
    people: Annotated[
        list[str] | None, typer.Option("--subject", help="obama, hermione, federer, iu, messi, sharapova.")
    ] = None,
    modes: Annotated[
        list[str] | None, typer.Option("--recipe", help="Presets; default quick-direct, quick-personal.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=8, help="Restorations of each photo.")] = 5,
) -> None:
    """Identity, per photo and over seeds, to album photos that were not tuned on: the input's and each mode's."""
    bench: Bench = context.obj
    rows = Rows(bench.output / "personal.csv", key=("prior", "subject", "recipe", "seed", "turn", "photo", "candidate"))
    for name in people or ["obama", "hermione"]:
        person = subject(bench.shared, name)
        for turn, (anchors, held_out) in enumerate(rotations(person.album, *SPLITS[name])):
            references = [_crop(photo) for photo in held_out]
            known = {"prior": bench.prior_key, "subject": name, "seed": bench.seed, "turn": turn}
            for photo in person.degraded:
                key = known | {"recipe": "input", "photo": photo.label, "candidate": 0}
                if not rows.has(**key):
                    rows.add(key | {"identity": _mean_identity(_crop(photo), references)})
            for recipe in [
                bench.recipe(mode) for mode in modes or ["quick-direct", "quick-generative", "quick-personal"]
            ]:
                key = known | {"recipe": recipe_key(recipe)}
                _measure_person(bench, rows, key, person, anchors, references, recipe, seeds)
    print_table(rows, bench.prior_key, by=("subject", "recipe"))
    print_table(rows, bench.prior_key, by=("subject", "photo", "recipe"))


def _measure_person(
    bench: Bench,
    rows: Rows,
    known: dict[str, object],
    person: Subject,
    anchors: tuple[Photo, ...],
    references: list[np.ndarray],
    recipe: Recipe,
    seeds: int,
) -> None:
    keys = [{"photo": photo.label, "candidate": number} for photo in person.degraded for number in range(seeds)]
    if all(rows.has(**known, **key) for key in keys):
        return
    checkpoint = bench.tune(anchors, recipe) if recipe.mode is Mode.PERSONAL else None
    shown = []
    for photo, result in bench.restore(person.degraded, recipe, checkpoint, seeds):
        for number, candidate in enumerate(result.candidates):
            key = known | {"photo": photo.label, "candidate": number}
            if not rows.has(**key):
                rows.add(key | {"identity": _mean_identity(candidate.image, references)})
        shown.append([_crop(photo), *(candidate.image for candidate in result.candidates)])
    sheet = f"{known['subject']}-{bench.prior_key}-{str(known['recipe']).replace('/', '-')}-{known['turn']}.png"
    headings = ("input", "best of seeds", *(f"next {number}" for number in range(1, seeds)))
    write_sheet(bench.output / "sheets" / sheet, headings, shown)


@app.command()
def ladder(context: typer.Context) -> None:
    """Restore three photos at K = 50 … 400 without an album, with a generative and a personal one: a sheet each."""
    bench: Bench = context.obj
    rows = Rows(bench.output / "ladder.csv", key=("prior", "subject", "recipe", "seed", "photo", "K"))
    for name, place in (("obama", 3), ("hermione", 0), ("federer", 1)):
        person = subject(bench.shared, name)
        anchors, held_out = rotations(person.album, *SPLITS[name])[0]
        references, photo = [_crop(one) for one in held_out], person.degraded[place]
        truth = person.truths.get(photo.label)
        shown = []
        for mode in MODES:
            base = bench.recipe(mode)
            if base.finetune is not None:  # one tuning for every K, and one that knows the largest
                base = override(base, {"finetune.timesteps_below": max(LADDER)})
            checkpoint = bench.tune(anchors, base) if base.mode is Mode.PERSONAL else None
            pictures = [_crop(photo)]
            for steps in LADDER:
                recipe = override(base, {"restore.noise_steps": steps})
                best = bench.restore([photo], recipe, checkpoint)[0][1].candidates[0]
                pictures.append(best.image)
                key = {"prior": bench.prior_key, "subject": name, "recipe": recipe_key(base), "seed": bench.seed}
                key |= {"photo": photo.label, "K": steps}
                if not rows.has(**key):
                    numbers: dict[str, object] = {"identity": _mean_identity(best.image, references)}
                    numbers |= {"psnr": against_truth(best.image, truth)["psnr"] if truth is not None else ""}
                    rows.add(key | numbers | without_truth(bench.prior, best.native, best.image))
            shown.append(pictures)
        sheet = bench.output / "sheets" / f"ladder-{bench.prior_key}-{name}.png"
        write_sheet(sheet, ("input", *(f"K = {steps}" for steps in LADDER)), shown)
    print_table(rows, bench.prior_key, by=("subject", "recipe", "K"))


def _crop(photo: Photo) -> np.ndarray:
    return aligned_crop(decode_photo(photo.data))


def _mean_identity(image: np.ndarray, references: list[np.ndarray]) -> float:
    return round(float(np.mean([identity_between(image, one) for one in references])), 4)


if __name__ == "__main__":
    app()
