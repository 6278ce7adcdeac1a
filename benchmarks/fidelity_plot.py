"""The plot of docs/how-to/fidelity.md: how far a photo is from clean ones at every K, as it is and damaged.

    python -m benchmarks.fidelity_plot -o docs/how-to/fidelity.png

The photo is scikit-image's astronaut, a public-domain portrait that no training saw.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from skimage.data import astronaut

from cli.settings import home
from core.imaging.align import largest_face_crop
from core.imaging.degrade import add_noise, blur
from core.imaging.faces import DlibFaceFinder
from core.imaging.files import write_atomically
from core.imaging.intake import encode
from core.imaging.resize import resize
from core.pipeline.fidelity import Fidelity, explain_noise_steps
from core.priors.locate import load_prior

WIDTH, HEIGHT, MARGIN = 900, 520, 60
MOST_DEPARTURE = 4.0
COLOURS = ((44, 160, 44), (31, 119, 180), (148, 103, 189), (214, 39, 40), (255, 127, 14))
GREY, BAND = (90, 90, 90), (232, 244, 232)

Point = tuple[int, int]


def plot(curves: Sequence[tuple[str, Fidelity]]) -> np.ndarray:
    """Departure in units of the limit over K, both ends written out; the band holds 95 % of clean faces.

    Args:
        curves: a label and what was found, the same rungs each.

    Returns:
        [520, 900, 3] uint8.
    """
    picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    steps = [look.noise_steps for look in curves[0][1].looks]

    def place(noise_steps: float, departure: float) -> Point:
        along = math.log(noise_steps / steps[0]) / math.log(steps[-1] / steps[0])
        up = min(max(departure, 0.0), MOST_DEPARTURE) / MOST_DEPARTURE
        return round(MARGIN + along * (WIDTH - 4.2 * MARGIN)), round(HEIGHT - MARGIN - up * (HEIGHT - 2 * MARGIN))

    cv2.rectangle(picture, place(steps[0], 1.0), place(steps[-1], 0.0), BAND, -1)
    _write(picture, "looks like a clean face", (MARGIN + 8, place(steps[0], 1.0)[1] + 18), GREY)
    for one in steps:
        _write(picture, str(one), (place(one, 0)[0] - 10, HEIGHT - MARGIN + 20), GREY)
    for number in range(int(MOST_DEPARTURE) + 1):
        _write(picture, str(number), (MARGIN - 22, place(steps[0], number)[1] + 5), GREY)
    _write(picture, "K", (place(steps[-1], 0)[0] + 24, HEIGHT - MARGIN + 20), GREY)
    _write(picture, "departure / limit", (MARGIN - 22, MARGIN - 22), GREY)
    for number, ((label, found), colour) in enumerate(zip(curves, COLOURS, strict=False)):
        points = [place(look.noise_steps, look.departure / look.limit) for look in found.looks]
        cv2.polylines(picture, [np.array(points, np.int32).reshape(-1, 1, 2)], False, colour, 2, cv2.LINE_AA)
        cv2.circle(picture, place(found.noise_steps, 1.0), 6, colour, -1, cv2.LINE_AA)
        text = f"{label}: K = {found.noise_steps}"
        _write(picture, text, (WIDTH - round(3.6 * MARGIN), MARGIN + 24 * number), colour)
    return picture


def _write(picture: np.ndarray, text: str, where: Point, colour: tuple[int, int, int]) -> None:
    cv2.putText(picture, text, where, cv2.FONT_HERSHEY_SIMPLEX, 0.48, colour, 1, cv2.LINE_AA)


def main(
    output: Annotated[Path, typer.Option("-o", "--output", help="The PNG to write.")],
    prior: Annotated[str, typer.Option(help="A prior's name or folder.")] = "starter",
) -> None:
    """Damage the portrait, explain each K, draw."""
    loaded = load_prior(prior, home())
    face = resize(largest_face_crop(astronaut(), DlibFaceFinder()).crop, loaded.spec.resolution)
    damaged = {
        "as it is": face,
        "blur 2": blur(face, 2.0),
        "blur 4": blur(face, 4.0),
        "noise 10": add_noise(face, 10.0, np.random.default_rng(0)),
        "noise 30": add_noise(face, 30.0, np.random.default_rng(0)),
    }
    curves = [(label, explain_noise_steps(loaded, one, 1000)) for label, one in damaged.items()]
    write_atomically(output, encode(plot(curves)))


if __name__ == "__main__":
    typer.run(main)
