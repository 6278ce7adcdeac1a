"""Numbers about a result: against a truth where there is one, without one otherwise."""

import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from core.diffusion.images import images_to_tensor
from core.diffusion.process import add_noise, predict_x0, split_output
from core.diffusion.seeds import image_generator
from core.imaging.embedding import embed_aligned, identity
from core.imaging.sharpness import sharpness
from core.priors.base import Prior

RESIDUAL_STEPS = (50, 100, 200)


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


def scores(
    prior: Prior, crop: np.ndarray, restored: np.ndarray, degraded: np.ndarray, native: np.ndarray
) -> dict[str, float]:
    """What can be said of one restored face without a truth.

    Args:
        prior: the untouched one.
        crop: the photo's aligned crop, [S, S, 3] uint8.
        restored: what replaces it, [S, S, 3] or, at the prior's resolution, [R, R, 3] uint8.
        degraded: the crop at the prior's resolution, [R, R, 3] uint8.
        native: the prior's output, [R, R, 3] uint8.

    Returns:
        sharpness and denoising residual before and after; identity of the result to the photo itself.
    """
    numbers = {
        "identity_to_photo": identity_to(restored, [crop]),
        "sharpness_before": sharpness(crop),
        "sharpness_after": sharpness(restored),
        "residual_before": denoising_residual(prior, degraded),
        "residual_after": denoising_residual(prior, native),
    }
    return {name: round(value, 5) for name, value in numbers.items()}
