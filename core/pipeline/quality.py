"""Numbers about a result: against a truth where there is one, without one otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from core.diffusion.images import images_to_tensor
from core.diffusion.process import add_noise, predict_x0, split_output
from core.diffusion.seeds import image_generator
from core.imaging.embedding import embed_aligned, identity
from core.imaging.sharpness import sharpness
from core.imaging.who import identity_to_references
from core.priors.base import Prior

RESIDUAL_STEPS = (50, 100, 200)

KEEP_ORIGINAL_MARGIN = 0.05
"""By how much the best candidate's identity to the references may fall below the face's own. Four candidates of one
face differ by a standard deviation of 0.025 (median of 20 faces of five people, degraded in four ways, 16 references
each, direct mode): twice that may be chance."""


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of two [H, W, 3] uint8 images; infinite where they are equal."""
    if np.array_equal(image, truth):
        return float("inf")
    return float(peak_signal_noise_ratio(truth, image, data_range=255))


def ssim(image: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity (Wang et al. 2004, Gaussian window) of two [H, W, 3] uint8 images: at most 1."""
    return float(
        structural_similarity(
            truth, image, data_range=255, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
    )


def identity_to(image: np.ndarray, references: list[np.ndarray]) -> float:
    """Mean identity of an aligned face to reference crops of the person, by dlib's embedding.

    Args:
        image: [S, S, 3] uint8, FFHQ framing.
        references: at least one crop; none that a model was tuned on, or the number flatters.

    Returns:
        See core.imaging.embedding.identity.
    """
    own = embed_aligned(image)
    return float(np.mean([identity(own, embed_aligned(reference)) for reference in references]))


def denoising_residual(prior: Prior, image: np.ndarray, seed: int = 0) -> float:
    """How far the prior's denoised version is from the image itself, when a little noise is added.

    Small for what looks like a good photo to this prior, large for a degraded one with structure it does not
    expect (noise, blocks), smaller than a good photo's for blur: compare within one photo, before and after.

    Args:
        prior: any; usually the untouched one.
        image: at the prior's resolution, [R, R, 3] uint8.
        seed: of the noise, equal for images that are to be compared.

    Returns:
        Root mean square of x̂_0 − x_0 in units of [−1, 1], averaged over t = 50, 100, 200.
    """
    x0 = images_to_tensor([image]).to(prior.device)
    residuals = []
    for step in RESIDUAL_STEPS:  # one by one: where only one picture fits into memory, it can be scored too
        noise = torch.randn(x0.shape[1:], generator=image_generator(seed, "residual", step))
        t = torch.tensor([min(step, prior.schedule.steps - 1)], device=prior.device)
        x_t = add_noise(x0, noise.to(prior.device), t, prior.schedule)
        with torch.no_grad():
            estimate, _ = split_output(prior.predict(x_t, t), x0.shape[1])
        predicted = predict_x0(estimate, x_t, t, prior.schedule, prior.parameterization.prediction).clamp(-1.0, 1.0)
        residuals.append((predicted - x0).square().mean().sqrt())
    return float(torch.stack(residuals).mean())


@dataclass(frozen=True, eq=False)
class Before:
    """A face before it was restored: what each candidate is compared with.

    Attributes:
        prior: the untouched one.
        crop: the photo's aligned crop, [S, S, 3] uint8.
        degraded: the crop at the prior's resolution, [R, R, 3] uint8.
        vector: the crop's embedding, [128] float64; None where it is no person's face.
        references: embeddings of photos of the person, [N, 128], of those that no tuning saw where there are some; None
            where none are known.
    """

    prior: Prior
    crop: np.ndarray
    degraded: np.ndarray
    vector: np.ndarray | None
    references: np.ndarray | None

    @cached_property
    def numbers(self) -> dict[str, float]:
        """Sharpness, denoising residual, and identity to the references."""
        numbers = {
            "sharpness_before": sharpness(self.crop),
            "residual_before": denoising_residual(self.prior, self.degraded),
        }
        if self.vector is not None and self.references is not None:
            numbers["identity_before"] = identity_to_references(self.vector, self.references)
        return numbers


def scores(before: Before, restored: np.ndarray, native: np.ndarray) -> dict[str, float]:
    """What can be said of one restored face without a truth.

    Args:
        before: the face as it was.
        restored: what replaces it, [S, S, 3] or, at the prior's resolution, [R, R, 3] uint8.
        native: the prior's output, [R, R, 3] uint8.

    Returns:
        Sharpness and denoising residual before and after. Of a person also the identity of the result to the photo
        itself, and the identity to the references before and after, where there are some.
    """
    numbers = before.numbers | {
        "sharpness_after": sharpness(restored),
        "residual_after": denoising_residual(before.prior, native),
    }
    if before.vector is not None:
        own = embed_aligned(restored)
        numbers["identity_to_photo"] = identity(own, before.vector)
        if before.references is not None:
            numbers["identity_after"] = identity_to_references(own, before.references)
    return {name: round(value, 5) for name, value in sorted(numbers.items())}


def best_first(candidates: Sequence[dict[str, float]]) -> list[int]:
    """In which order candidates are proposed, as places.

    Likest to the references first; without any, likest to the face as it was; of what is no person's face, the one that
    looks most like a good photo to the prior. Equals keep the order of their seeds.

    Args:
        candidates: the `scores` of each.
    """

    def rank(place: int) -> float:
        numbers = candidates[place]
        likeness = numbers.get("identity_after", numbers.get("identity_to_photo"))
        return numbers["residual_after"] if likeness is None else -likeness

    return sorted(range(len(candidates)), key=rank)


def stays_the_original(best: dict[str, float]) -> bool:
    """Whether the face is to stay as it was: even the best candidate is less like its references.

    Args:
        best: its `scores`.
    """
    if "identity_after" not in best:
        return False
    return best["identity_after"] < best["identity_before"] - KEEP_ORIGINAL_MARGIN
