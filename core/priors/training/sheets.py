"""Pictures of a training: the curve, and samples. Drawn here, so that no plotting library is needed."""

import cv2
import numpy as np
import torch

from core.diffusion.images import tensor_to_images
from core.diffusion.samplers import sample_dpm_solver
from core.diffusion.seeds import NoiseStream, image_generator
from core.priors.base import Prior, denoiser_of
from core.priors.training.evaluation import denoise_once, noised, rescaled
from core.priors.training.state import Row

_WIDTH, _HEIGHT, _MARGIN = 900, 500, 60
_COLOURS = [(31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189), (120, 120, 120)]


def sample_from_noise(prior: Prior, count: int, sampler_steps: int = 50, seed: int = 0) -> list[np.ndarray]:
    """Pictures from pure noise, over the whole schedule: what the prior believes in.

    Args:
        prior: any.
        count: pictures wanted, one batch.
        sampler_steps: network calls of DPM-Solver++.
        seed: one generator per picture.

    Returns:
        `count` arrays, [R, R, 3] uint8.
    """
    side = prior.spec.resolution
    noise = NoiseStream([image_generator(seed, "sample", i) for i in range(count)], (3, side, side), prior.device)
    steps = prior.schedule.steps
    return tensor_to_images(sample_dpm_solver(denoiser_of(prior), noise(), steps, noise, sampler_steps=sampler_steps))


def grid(images: list[np.ndarray], columns: int) -> np.ndarray:
    """Equal pictures side by side, the last row filled up with white.

    Args:
        images: each [R, R, 3] uint8.
        columns: pictures a row.

    Returns:
        [rows·R, columns·R, 3] uint8.
    """
    blank = np.full_like(images[0], 255)
    padded = images + [blank] * (-len(images) % columns)
    return np.vstack([np.hstack(padded[i : i + columns]) for i in range(0, len(padded), columns)])


def held_out_sheet(prior: Prior, images: np.ndarray, t: int | None = None) -> np.ndarray:
    """Rows of held-out images: as they are, noised to t, and what the prior makes of that in one step.

    Args:
        prior: any.
        images: [N, R, R, 3] uint8.
        t: the timestep; None: a fifth of the schedule.
    """
    t = prior.schedule.steps // 5 if t is None else t
    _, x_t = noised(images, t, prior)
    rows = [list(images), tensor_to_images(rescaled(x_t, t, prior)), tensor_to_images(denoise_once(prior, x_t, t))]
    return np.vstack([np.hstack(row) for row in rows])


def curve(history: list[Row]) -> np.ndarray:
    """The loss and the held-out PSNRs over the steps, each scaled to its own range, with the ends written out.

    Args:
        history: rows of `train`; at least one.

    Returns:
        [500, 900, 3] uint8.
    """
    picture = np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)
    names = [name for name in history[0] if name == "loss" or name.startswith("psnr_")]
    steps = np.array([row["step"] for row in history])
    across = _MARGIN + (steps - steps.min()) / max(1.0, float(np.ptp(steps))) * (_WIDTH - 4.5 * _MARGIN)
    for name, colour in zip(names, _COLOURS, strict=False):
        values = np.array([row[name] for row in history])
        down = _HEIGHT - _MARGIN - (values - values.min()) / max(1e-9, float(np.ptp(values))) * (_HEIGHT - 2 * _MARGIN)
        points = np.stack([across, down], axis=1).round().astype(np.int32).reshape(-1, 1, 2)
        cv2.polylines(picture, [points], isClosed=False, color=colour, thickness=2, lineType=cv2.LINE_AA)
        text = f"{name} {values[0]:.3g} -> {values[-1]:.4g}"
        place = (_WIDTH - round(3.4 * _MARGIN), 40 + 24 * names.index(name))
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
    ends = f"steps {int(steps.min())} to {int(steps.max())}"
    cv2.putText(picture, ends, (_MARGIN, _HEIGHT - 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (60, 60, 60), 1, cv2.LINE_AA)
    return picture


def checked_finite(prior: Prior) -> bool:
    """Whether all of a network's weights are finite numbers, also in the half precision they are stored in."""
    return all(bool(torch.isfinite(p.half()).all()) for p in prior.network.parameters())
