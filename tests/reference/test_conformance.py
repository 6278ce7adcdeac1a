"""Our code against reference vectors made with openai/guided-diffusion: every key, each by its own test."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from core.diffusion.guidance import SkipGuidance
from core.diffusion.loss import training_loss
from core.diffusion.process import add_noise, ancestral_step
from core.diffusion.samplers import sample_ancestral
from core.priors.base import denoiser_of
from core.priors.convert import convert_adm
from core.priors.diffusers_unet import UNetPrior, load_unet_prior

K = 200
STEP_TOLERANCE, CHAIN_TOLERANCE = 1e-5, 2e-4
TIMESTEPS = (0, 1, 2, 50, 199, 500, 999)


@pytest.fixture(scope="module")
def vectors(shared: Path) -> dict[str, Tensor]:
    return load_file(shared / "conformance" / "vectors.safetensors")


@pytest.fixture(scope="module")
def converted(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = json.loads((shared / "conformance" / "adm_tiny.json").read_text())
    folder = tmp_path_factory.mktemp("priors") / "adm-tiny"
    source = shared / "conformance" / "adm_tiny.pt"
    convert_adm(source, folder, name="adm-tiny", resolution=config["image_size"], half=False)
    return folder


@pytest.fixture
def prior(converted: Path) -> UNetPrior:
    return load_unet_prior(converted)


def largest_difference(one: Tensor, other: Tensor) -> float:
    return float((one.detach().double() - other.double()).abs().max())


def replay(noise: Tensor):
    rows = iter(noise)
    return lambda: next(rows)


def noised_to_k(prior: UNetPrior, y0: Tensor, noise: Tensor) -> Tensor:
    return add_noise(y0, noise, torch.full((len(y0),), K - 1), prior.schedule)


def test_the_network_s_output_is_the_reference_s(prior, vectors):
    with torch.no_grad():
        output = prior.predict(vectors["forward.x"], vectors["forward.t"])
    assert largest_difference(output, vectors["forward.out"]) < STEP_TOLERANCE


def test_noising_is_the_reference_s(prior, vectors):
    x_t = add_noise(vectors["q.x0"], vectors["q.eps"], vectors["q.t"], prior.schedule)
    assert largest_difference(x_t, vectors["q.xt"]) < STEP_TOLERANCE


@pytest.fixture
def step(prior, vectors):
    """The ancestral step from the reference's x_t and noise, by our network."""

    def make(t: int, dtype: torch.dtype = torch.float32):
        x, noise = vectors[f"p.{t}.x"].to(dtype), vectors[f"p.{t}.noise"].to(dtype)
        index = torch.full((len(x),), t)
        with torch.no_grad():
            output = prior.network.to(dtype)(x, index).sample
        return ancestral_step(output, x, index, noise, prior.schedule, prior.parameterization)

    return make


@pytest.mark.parametrize("t", TIMESTEPS)
def test_the_x0_predicted_at_a_step_is_the_reference_s(step, vectors, t):
    # In float64, so that only the reference's own rounding is left: x̂_0 = (x − √(1−ᾱ)·ε)/√ᾱ is not clipped, and at
    # t = 999 it multiplies the float32 rounding of ε, about 1e-6, by √(1/ᾱ − 1) = 157. No computation can come nearer
    # to that vector than its own error, which is 1.2e-4.
    tolerance = 157 * 1e-6 if t == 999 else STEP_TOLERANCE
    assert largest_difference(step(t, torch.float64).predicted_x0, vectors[f"p.{t}.x0"]) < tolerance


@pytest.mark.parametrize("t", TIMESTEPS)
def test_the_sample_after_a_step_is_the_reference_s(step, vectors, t):
    assert largest_difference(step(t).sample, vectors[f"p.{t}.sample"]) < STEP_TOLERANCE


def test_a_whole_restoration_is_the_reference_s(prior, vectors):
    start = noised_to_k(prior, vectors["restore.y0"], vectors["restore.epsK"])
    out = sample_ancestral(denoiser_of(prior), start, K, replay(vectors["restore.noise"]))
    assert largest_difference(out, vectors["restore.out"]) < CHAIN_TOLERANCE


def test_album_images_with_skip_guidance_are_the_reference_s(prior, vectors):
    y0 = vectors["album.y0"]
    start = noised_to_k(prior, y0, vectors["album.epsK"])
    guidance = SkipGuidance(y0, scale=0.3, every=10)
    out = sample_ancestral(denoiser_of(prior), start, K, replay(vectors["album.noise"]), guidance)
    assert largest_difference(out, vectors["album.out"]) < CHAIN_TOLERANCE


def test_an_album_image_alone_is_the_one_from_the_batch(prior, vectors):
    y0 = vectors["album.y0"][1:]
    start = noised_to_k(prior, y0, vectors["album.epsK"][1:])
    noise = replay(vectors["album.noise"][:, 1:])
    out = sample_ancestral(denoiser_of(prior), start, K, noise, SkipGuidance(y0, scale=0.3, every=10))
    assert largest_difference(out, vectors["album.out"][1:]) < CHAIN_TOLERANCE


@pytest.fixture
def trained(prior, vectors):
    """The tiny prior with the reference's loss, ready for its one optimizer step."""
    prior.network.requires_grad_(True)
    x0, eps, t = vectors["train.x0"], vectors["train.eps"], vectors["train.t"]
    output = prior.predict(add_noise(x0, eps, t, prior.schedule), t)
    return prior, training_loss(output, x0, eps, t, prior.schedule, prior.parameterization)


@pytest.mark.parametrize(("term", "key"), [("squared_error", "mse"), ("variational", "vb"), ("total", "loss")])
def test_the_hybrid_loss_and_each_of_its_terms_are_the_reference_s(trained, vectors, term, key):
    assert largest_difference(getattr(trained[1], term), vectors[f"train.{key}"]) < STEP_TOLERANCE


def test_the_gradient_s_norm_is_the_reference_s(trained, vectors):
    prior, terms = trained
    gradients = torch.autograd.grad(terms.total.mean(), list(prior.network.parameters()))
    norm = torch.sqrt(sum(gradient.double().square().sum() for gradient in gradients))
    assert float(norm) == pytest.approx(float(vectors["train.grad_norm"]), rel=STEP_TOLERANCE)


def test_one_adamw_step_leads_to_the_reference_s_network(trained, vectors):
    prior, terms = trained
    optimizer = torch.optim.AdamW(prior.network.parameters(), lr=1e-5, weight_decay=0.0)
    terms.total.mean().backward()
    optimizer.step()
    with torch.no_grad():
        output = prior.predict(vectors["forward.x"], vectors["forward.t"])
    assert largest_difference(output, vectors["train.after_step_out"]) < STEP_TOLERANCE


def test_no_reference_vector_is_left_unused(vectors):
    used = {"forward": ("x", "t", "out"), "q": ("x0", "eps", "t", "xt")}
    used |= {f"p.{t}": ("x", "noise", "sample", "x0") for t in TIMESTEPS}
    used |= dict.fromkeys(("restore", "album"), ("y0", "epsK", "noise", "out"))
    used |= {"train": ("x0", "eps", "t", "loss", "mse", "vb", "grad_norm", "after_step_out")}
    assert set(vectors) == {f"{group}.{name}" for group, names in used.items() for name in names}
