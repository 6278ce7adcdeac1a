"""Every device computes what float64 computes on the CPU, within what its precision allows."""

import numpy as np
import pytest
import torch

from core.diffusion.guidance import SkipGuidance
from core.diffusion.images import images_to_tensor
from core.diffusion.loss import training_loss
from core.diffusion.process import add_noise
from core.diffusion.samplers import sample_ancestral, sample_dpm_solver
from core.diffusion.seeds import NoiseStream, image_generator
from core.pipeline.album import sample_album
from core.pipeline.artifacts import unpack
from core.pipeline.finetune import anchor_indices
from core.pipeline.restore import restore_batch
from core.priors.base import denoiser_of
from core.recipes.schema import AlbumRecipe, FinetuneRecipe, RestoreRecipe

FORWARD_TOLERANCE = 2e-5
"""Of one float32 pass of a network whose outputs are about 1; TF32 would miss it fifty times over."""
CHAIN_TOLERANCE = 2e-4
"""Of a float32 chain, as in the conformance tests."""
GRADIENT_TOLERANCE = 1e-4
"""Relative to the largest entry of each gradient, in float32."""
BF16_FORWARD = 0.03
"""Relative root mean square of a bf16 pass's error: eight bits are 0.4 % a rounding."""
BF16_LEVELS = 4.0
"""Mean difference of a restored image in bf16, in levels of 255."""
K = 12


def noised(x, t, device="cpu"):
    x_t = torch.randn(x, generator=torch.Generator().manual_seed(1)).to(device)
    return x_t, torch.tensor(t).to(device)


def chain(prior, sampler, guided=False, **options):
    """A chain of three images from the same noise on every device."""
    stream = NoiseStream([image_generator(0, i) for i in range(3)], (3, 16, 16), prior.device)
    photo = stream()
    guidance = SkipGuidance(photo, scale=0.3, every=4) if guided else None
    return sampler(denoiser_of(prior), stream(), K, stream, guidance, **options).cpu()


def test_a_forward_pass(device, make_prior, truth):
    x_t, t = noised((4, 3, 16, 16), [0, 3, 20, 49])
    with torch.no_grad():
        output = make_prior(device).predict(x_t.to(device), t.to(device)).cpu()
        expected = truth.predict(x_t, t)
    assert output.dtype == torch.float32
    assert (output - expected).abs().max() <= FORWARD_TOLERANCE * max(1.0, float(expected.abs().max()))


@pytest.mark.parametrize("guided", [False, True], ids=["restoration", "album"])
def test_an_ancestral_chain(device, make_prior, truth, guided):
    difference = chain(make_prior(device), sample_ancestral, guided) - chain(truth, sample_ancestral, guided)
    assert difference.abs().max() <= CHAIN_TOLERANCE


@pytest.mark.parametrize("guided", [False, True], ids=["restoration", "album"])
@pytest.mark.parametrize("stochastic", [False, True], ids=["ode", "sde"])
def test_a_dpm_solver_chain(device, make_prior, truth, stochastic, guided):
    options = {"sampler_steps": 6, "stochastic": stochastic}
    restored = chain(make_prior(device), sample_dpm_solver, guided, **options)
    difference = restored - chain(truth, sample_dpm_solver, guided, **options)
    assert difference.abs().max() <= CHAIN_TOLERANCE


def test_the_gradients_of_a_tuning_step(device, make_prior, truth, faces, tune):
    recipe = FinetuneRecipe(iterations=2, batch=4, learning_rate=1e-3)
    prior = without_dropout(make_prior(device))
    _, state = tune(prior, recipe, stop_at=1)
    arrays, _ = unpack(state)

    generator = image_generator(0, "finetune", 0)
    x0 = images_to_tensor(faces)[anchor_indices(len(faces), 4, 0, 0)].double()
    t = torch.randint(truth.schedule.steps, (4,), generator=generator)
    noise = torch.randn(x0.shape, generator=generator).double()
    parameters = dict(truth.network.requires_grad_(True).named_parameters())
    output = truth.predict(add_noise(x0, noise, t, truth.schedule), t).double()
    loss = training_loss(output, x0, noise, t, truth.schedule, truth.parameterization).total.mean()
    gradients = torch.autograd.grad(loss, list(parameters.values()))
    largest = max(float(gradient.abs().max()) for gradient in gradients)
    for name, gradient in zip(parameters, gradients, strict=True):
        first_moment = arrays[f"first/{name}"] / 0.1  # AdamW's, (1 − β1) · gradient after one step
        assert np.abs(first_moment - gradient.numpy()).max() <= GRADIENT_TOLERANCE * largest, name


def without_dropout(prior):
    for module in prior.network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return prior


def restored(prior, faces, sampler="ancestral"):
    recipe = RestoreRecipe(noise_steps=K, sampler=sampler, sampler_steps=6)
    ids = [str(i) for i in range(3)]
    return np.stack(restore_batch(prior, faces[:3], recipe, [0] * 3, ids, [0] * 3, on_step=lambda *_: None)).astype(int)


def album(prior, faces, indices):
    recipe = AlbumRecipe(images=3, start_steps=K, guidance_every=4)
    made = sample_album(
        prior,
        faces[0],
        recipe,
        0,
        "photo",
        indices,
        on_step=lambda *_: None,
        load_state=lambda: None,
        save_state=lambda _: None,
    )
    return np.stack(made).astype(int)


@pytest.mark.parametrize("sampler", ["ancestral", "dpm-solver++", "sde-dpm-solver++"])
def test_restored_pictures_are_within_one_level_of_the_cpu_s(device, make_prior, faces, sampler):
    ours = restored(make_prior(device), faces, sampler)
    assert np.abs(ours - restored(make_prior("cpu"), faces, sampler)).max() <= 1


def test_an_album_s_pictures_are_within_one_level_of_the_cpu_s_made_one_by_one(device, make_prior, faces):
    batch = album(make_prior(device), faces, range(3))
    one_by_one = np.concatenate([album(make_prior("cpu"), faces, range(i, i + 1)) for i in range(3)])
    assert np.abs(batch - one_by_one).max() <= 1


def test_bf16_differs_from_float32_as_much_as_eight_bits_explain(device, make_prior, record_property):
    x_t, t = noised((4, 3, 16, 16), [0, 3, 20, 49], device)
    with torch.no_grad():
        full, half = (make_prior(device, dtype).predict(x_t, t) for dtype in (None, torch.bfloat16))
    assert half.dtype == torch.float32
    error = float((half - full).square().mean().sqrt() / full.square().mean().sqrt())
    record_property("bf16_forward_relative_rms", error)
    assert 1e-5 < error < BF16_FORWARD  # not equal: then bf16 would not be on


def test_a_bf16_restoration_is_the_float32_one_to_the_eye(device, make_prior, faces, record_property):
    full, half = (restored(make_prior(device, dtype), faces) for dtype in (None, torch.bfloat16))
    levels = float(np.abs(full - half).mean())
    record_property("bf16_restoration_mean_levels", levels)
    assert 0.0 < levels < BF16_LEVELS
