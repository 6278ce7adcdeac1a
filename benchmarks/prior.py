"""How much a prior knows: denoising held-out pictures, beside a Gaussian blur and non-local means.

    python -m benchmarks.prior --prior starter --shared ../shared --count 64

One table for each set of pictures; both baselines know the noise level, and the best strength of each is searched
on the very pictures it is measured on, which favours them. Numbers leave this script, pictures do not.
"""

import csv
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from skimage.restoration import denoise_nl_means
from torch import Tensor, cat, from_numpy

from benchmarks.photos import album_faces, held_out_faces
from cli.settings import home
from core.priors.diffusers_unet import UNetPrior
from core.priors.locate import load_prior
from core.priors.training.evaluation import TIMESTEPS, denoise_once, mean_psnr, noised, rescaled

BLUR_SIGMAS_PIXELS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
NLM_STRENGTHS = (0.3, 0.45, 0.6, 0.8, 1.0)
"""Filter strength as a multiple of the noise's deviation."""

Row = dict[str, str | float]


def measure(prior: UNetPrior, images: np.ndarray, label: str, batch: int = 16) -> list[Row]:
    """One row for each t: mean PSNR in dB of the noisy input, both baselines and the prior's x̂_0."""
    rows: list[Row] = []
    for t in TIMESTEPS:
        x0, x_t = noised(images, t, prior)
        signal = float(prior.schedule.alphas_cumprod[t])
        deviation = ((1.0 - signal) / signal) ** 0.5  # of the noise in y_t / √ᾱ_t
        scaled = (x_t / signal**0.5).permute(0, 2, 3, 1).cpu().numpy()
        blur, sigma = _best(scaled, x0, BLUR_SIGMAS_PIXELS, lambda image, s: cv2.GaussianBlur(image, (0, 0), s))
        means, strength = _best(scaled, x0, NLM_STRENGTHS, partial(_non_local_means, deviation))
        predicted = cat([denoise_once(prior, x_t[i : i + batch], t) for i in range(0, len(x_t), batch)])
        rows.append(
            {
                "set": label,
                "images": len(images),
                "t": t,
                "noisy": round(mean_psnr(rescaled(x_t, t, prior), x0), 2),
                "blur": round(blur, 2),
                "blur_sigma_pixels": sigma,
                "nlm": round(means, 2),
                "nlm_strength": strength,
                "prior": round(mean_psnr(predicted, x0), 2),
            }
        )
    return rows


def _best(
    scaled: np.ndarray, x0: Tensor, settings: Sequence[float], denoise: Callable[[np.ndarray, float], np.ndarray]
) -> tuple[float, float]:
    """The best mean PSNR over the settings, and the setting."""
    scores = []
    for setting in settings:
        images = np.stack([denoise(image, setting) for image in scaled]).astype(np.float32)
        scores.append((mean_psnr(from_numpy(images).permute(0, 3, 1, 2).clamp(-1.0, 1.0), x0.cpu()), setting))
    return max(scores)


def _non_local_means(deviation: float, image: np.ndarray, strength: float) -> np.ndarray:
    filtered = denoise_nl_means(image, 5, 6, h=strength * deviation, sigma=deviation, fast_mode=True, channel_axis=-1)
    return np.asarray(filtered, dtype=np.float32)


def main(
    prior: Annotated[str, typer.Option(help="A prior's name or folder.")] = "starter",
    shared: Annotated[Path, typer.Option(help="The folder of photos beside the checkout.")] = Path("../shared"),
    count: Annotated[int, typer.Option(min=1, help="Pictures of each set.")] = 64,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Also write the rows as CSV.")] = None,
) -> None:
    """Print the table for the held-out faces and for the albums."""
    loaded = load_prior(prior, home())
    side = loaded.spec.resolution
    rows = measure(loaded, held_out_faces(shared, count, side), "held-out faces")
    rows += measure(loaded, album_faces(shared, count, side), "albums, never seen")
    print(f"Denoising PSNR in dB, mean of {count} pictures a set, prior {loaded.spec.name!r}")
    print(f"{'set':<20}{'t':>5}{'noisy':>8}{'blur':>8}{'NLM':>8}{'prior':>8}{'gain':>8}")
    for row in rows:
        gain = float(row["prior"]) - max(float(row["blur"]), float(row["nlm"]))
        numbers = "".join(f"{row[key]:>8.2f}" for key in ("noisy", "blur", "nlm", "prior"))
        print(f"{row['set']:<20}{row['t']:>5}{numbers}{gain:>+8.2f}")
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    typer.run(main)
