"""K by the photo beside fixed Ks, in the direct mode.

    python -m benchmarks.fidelity chosen  # which K each face gets, and why: seconds
    python -m benchmarks.fidelity known   # album faces damaged here, so that the truth is known: which K is best?
    python -m benchmarks.fidelity real    # the real degraded faces: what auto does to them

Faces are compared at the prior's resolution, where K is chosen. Rows go to CSVs, pictures to sheets, both under
benchmarks/out, which git ignores: they show real people. Stopped and started again, each command goes on.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.photos import album_faces, real_degraded
from benchmarks.restorations import Bench, against_truth, identity_between, without_truth
from benchmarks.rows import Rows
from benchmarks.sheets import write_sheet
from benchmarks.tables import print_table
from cli.device import Device, Precision, autocast_of, open_device
from cli.settings import home
from core.imaging.align import aligned_crop
from core.imaging.degrade import add_noise, blur, degrade, jpeg, shrink_and_enlarge
from core.imaging.intake import decode_photo
from core.imaging.resize import resize
from core.pipeline.fidelity import explain_noise_steps
from core.pipeline.restore import restore_batch
from core.priors.locate import load_prior
from core.recipes.schema import override

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

FIXED = (50, 106, 200, 300)
MOST = 400
LAST = f"auto to {MOST}"

Damage = Callable[[np.ndarray, np.random.Generator], np.ndarray]
DAMAGES: dict[str, Damage] = {
    "none": lambda face, _: face,
    "blur 0.75": lambda face, _: blur(face, 0.75),
    "blur 1.5": lambda face, _: blur(face, 1.5),
    "blur 3": lambda face, _: blur(face, 3.0),
    "noise 6": lambda face, rng: add_noise(face, 6.0, rng),
    "noise 15": lambda face, rng: add_noise(face, 15.0, rng),
    "noise 35": lambda face, rng: add_noise(face, 35.0, rng),
    "jpeg 20": lambda face, _: jpeg(face, 20),
    "jpeg 8": lambda face, _: jpeg(face, 8),
    "down 4": lambda face, _: shrink_and_enlarge(face, 4.0),
    "mix": lambda face, rng: degrade(face, "mix", rng),
}
"""Blur in pixels of 128, noise in levels of 255, JPEG's quality, factor; mix as in `core.imaging.degrade`."""


@app.callback()
def common(
    context: typer.Context,
    prior: Annotated[str, typer.Option(help="A prior's name or folder.")] = "starter",
    shared: Annotated[Path, typer.Option(help="The folder of photos beside the checkout.")] = Path("../shared"),
    output: Annotated[Path, typer.Option("-o", "--output", help="For rows and sheets.")] = Path("benchmarks/out"),
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.AUTO,
    precision: Annotated[Precision, typer.Option(help="How precisely.")] = Precision.AUTO,
) -> None:
    """What both measurements use; the options stand before the command."""
    where = open_device(device)
    context.obj = Bench(load_prior(prior, home(), where, autocast_of(precision, where)), shared, output)


@app.command()
def chosen(context: typer.Context, count: Annotated[int, typer.Option(min=1, help="Faces.")] = 10) -> None:
    """Choose K for album faces damaged in eleven ways, and for the real degraded faces; nothing is restored."""
    bench: Bench = context.obj
    truths = album_faces(bench.shared, count, bench.prior.spec.resolution)
    for kind, damage in DAMAGES.items():
        found = [
            explain_noise_steps(bench.prior, damage(truth, np.random.default_rng([n, *kind.encode()])), MOST)
            for n, truth in enumerate(truths)
        ]
        steps = sorted(one.noise_steps for one in found)
        reasons = Counter(one.because.partition(" up to")[0] or "clean" for one in found)
        told = ", ".join(f"{number} {reason}" for reason, number in reasons.most_common())
        print(f"{kind:<10} median {steps[len(steps) // 2]:>3}   {steps}   {told}", flush=True)
    for photo in real_degraded(bench.shared):
        face = resize(aligned_crop(decode_photo(photo.data)), bench.prior.spec.resolution)
        one = explain_noise_steps(bench.prior, face, MOST)
        print(f"{photo.label:<40} {one.noise_steps:>3}  {one.because}", flush=True)


@app.command()
def known(context: typer.Context, count: Annotated[int, typer.Option(min=1, help="Faces.")] = 10) -> None:
    """Damage album faces in eleven ways and restore them: PSNR and identity to the truth, K fixed and by the photo."""
    bench: Bench = context.obj
    rows = Rows(bench.output / "fidelity-known.csv", key=("prior", "kind", "face", "by"))
    truths = album_faces(bench.shared, count, bench.prior.spec.resolution)
    for kind, damage in DAMAGES.items():
        worse = [damage(truth, np.random.default_rng([n, *kind.encode()])) for n, truth in enumerate(truths)]
        key = {"prior": bench.prior_key, "kind": kind}
        if all(rows.has(**key, face=number, by=LAST) for number in range(count)):
            continue
        made: dict[str, list[np.ndarray]] = {}
        for by, steps in _choices(bench, worse).items():
            made[by] = _restore(bench, worse, steps)
            for number, (after, truth) in enumerate(zip(made[by], truths, strict=True)):
                # The truth itself has no PSNR.
                if not rows.has(**key, face=number, by=by) and (by != "input" or kind != "none"):
                    rows.add({**key, "face": number, "by": by, "K": steps[number]} | against_truth(after, truth))
        sheet = bench.output / "sheets" / f"fidelity-{bench.prior_key}-{kind.replace(' ', '-')}.png"
        write_sheet(sheet, (*made, "truth"), list(zip(*made.values(), truths, strict=True)), 128)
    print_table(rows, bench.prior_key, by=("kind", "by"))
    print_table(rows, bench.prior_key, by=("by",))


@app.command()
def real(context: typer.Context) -> None:
    """Restore the real degraded faces, K = 106, 200, by the photo: identity to the photo, sharpness, residual."""
    bench: Bench = context.obj
    rows = Rows(bench.output / "fidelity-real.csv", key=("prior", "photo", "by"))
    photos = real_degraded(bench.shared)
    before = [resize(aligned_crop(decode_photo(photo.data)), bench.prior.spec.resolution) for photo in photos]
    made: dict[str, list[np.ndarray]] = {}
    for by, steps in _choices(bench, before, fixed=(106, 200)).items():
        made[by] = _restore(bench, before, steps)
        for number, photo in enumerate(photos):
            key = {"prior": bench.prior_key, "photo": photo.label, "by": by}
            if not rows.has(**key):
                after = made[by][number]
                identity = round(identity_between(after, before[number]), 4)
                numbers = {"K": steps[number], "identity_to_photo": identity}
                rows.add(key | numbers | without_truth(bench.prior, after, after))
    shown = list(zip(*made.values(), strict=True))
    for begin in range(0, len(shown), 8):
        sheet = bench.output / "sheets" / f"fidelity-{bench.prior_key}-real-{begin:02d}.png"
        write_sheet(sheet, tuple(made), shown[begin : begin + 8])
    print_table(rows, bench.prior_key, by=("by",))
    print_table(rows, bench.prior_key, by=("photo", "by"))


def _choices(bench: Bench, faces: list[np.ndarray], fixed: tuple[int, ...] = FIXED) -> dict[str, list[int]]:
    """For each face and way of choosing, K: none, fixed ones, and the photo's own up to the recipe's K and freely."""
    usual = bench.recipe("quick-direct").restore.noise_steps
    chosen = [explain_noise_steps(bench.prior, face, MOST).noise_steps for face in faces]
    ways = {"input": [0] * len(faces)} | {f"K = {steps}": [steps] * len(faces) for steps in fixed}
    return ways | {f"auto to {usual}": [min(steps, usual) for steps in chosen], LAST: chosen}


def _restore(bench: Bench, faces: list[np.ndarray], steps: list[int]) -> list[np.ndarray]:
    """Each face with its K; those with the same one together."""
    made = list(faces)
    for one in sorted(set(steps) - {0}):
        places = [place for place, own in enumerate(steps) if own == one]
        recipe = override(bench.recipe("quick-direct"), {"restore.noise_steps": one}).restore
        alike = [faces[place] for place in places]
        ids, count = [f"face-{place}" for place in places], len(places)
        done = restore_batch(
            bench.prior, alike, recipe, [bench.seed] * count, ids, [0] * count, on_step=lambda *_: None
        )
        for place, image in zip(places, done, strict=True):
            made[place] = image
    return made


if __name__ == "__main__":
    app()
