"""A photo of 24 megapixels with more and more faces: what memory and time grow with.

    python -m benchmarks.whole

The faces are NASA's portrait of Eileen Collins, public domain, enlarged and degraded, in rows on a plain ground. Each
count runs in a process of its own, whose peak is its own. Nothing is written.
"""

import multiprocessing
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from skimage.data import astronaut

from benchmarks.memory import peak_bytes
from cli.settings import home
from core.domain.mode import Mode
from core.imaging.degrade import degrade
from core.imaging.intake import encode
from core.imaging.resize import resize
from core.pipeline.folder_store import FolderStore
from core.pipeline.plan import plan
from core.pipeline.ports import Ports
from core.pipeline.request import Photo, PhotoResult, RestoreRequest
from core.pipeline.run import run
from core.priors.locate import load_prior
from core.recipes.presets import default_preset
from core.recipes.schema import with_noise_steps

HEIGHT, WIDTH = 4_000, 6_000
COLUMNS, ROWS = 5, 2
MEBIBYTE = 2**20


def main(
    prior: Annotated[str, typer.Option(help="A prior's name or folder.")] = "starter",
    counts: Annotated[str, typer.Option(help="How many faces, between commas; at most ten.")] = "0,1,2,5,10",
    face_pixels: Annotated[int, typer.Option(help="Side of the picture with one face.")] = 1_000,
    candidates: Annotated[int, typer.Option(help="Results for each face.")] = 1,
) -> None:
    """Restore the photos in the direct mode, one after the other, and print peak memory and seconds a stage."""
    print("| faces | peak memory | seconds | of which: detect | align | restore | composite |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for count in map(int, counts.split(",")):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            peak, total, seconds = pool.apply(measured, (prior, count, face_pixels, candidates))
        stages = " | ".join(f"{seconds.get(stage, 0):.1f} s" for stage in ("detect", "align", "restore", "composite"))
        print(f"| {count} | {peak / MEBIBYTE:,.0f} MiB | {total:.0f} s | {stages} |", flush=True)


def measured(prior_name: str, count: int, face_pixels: int, candidates: int) -> tuple[int, float, dict[str, float]]:
    """Peak memory in bytes, seconds in all and by stage, of one run in this process.

    Raises:
        RuntimeError: not every face was found and restored.
    """
    prior = load_prior(prior_name, home())
    recipe = with_noise_steps(default_preset(Mode.DIRECT, prior.spec.resolution).recipe, None, by_photo=False)
    request = RestoreRequest((Photo("crowd", crowd(count, face_pixels)),), candidates=candidates)
    restored: list[int] = []

    def taken(_: int, result: PhotoResult) -> None:
        restored.append(sum(bool(face.candidates) for face in result.faces))

    with TemporaryDirectory() as folder:
        begun = time.monotonic()
        calls = plan(request, recipe, prior.spec)
        result = run(calls, request, recipe, prior, Ports(store=FolderStore(Path(folder))), taken)
        total = time.monotonic() - begun
    if restored != [count]:
        raise RuntimeError(f"{restored} faces were restored, not {count}")
    return peak_bytes(prior.device), total, result.seconds


def crowd(count: int, face_pixels: int) -> bytes:
    """A JPEG of 24 megapixels with so many faces.

    Args:
        count: 0 … 10.
        face_pixels: side of the square with a face and its surroundings.
    """
    photo = np.full((HEIGHT, WIDTH, 3), (120, 128, 140), np.uint8)
    face = degrade(
        resize(np.ascontiguousarray(astronaut()[0:256, 96:352]), face_pixels), "mix", np.random.default_rng(0)
    )
    for number, (top, left) in enumerate(_places(face_pixels)[:count]):
        # No two alike: the same crop twice would have the same noise.
        lit = np.clip(face.astype(np.int16) + 3 * number, 0, 255).astype(np.uint8)
        photo[top : top + face_pixels, left : left + face_pixels] = lit
    return encode(photo, "jpeg", 90)


def _places(side: int) -> Sequence[tuple[int, int]]:
    tops = [round((row + 0.5) * HEIGHT / ROWS - side / 2) for row in range(ROWS)]
    lefts = [round((column + 0.5) * WIDTH / COLUMNS - side / 2) for column in range(COLUMNS)]
    return [(top, left) for top in tops for left in lefts]


if __name__ == "__main__":
    typer.run(main)
