import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.diffusion.samplers import sample_ancestral
from core.domain.errors import PriorError, WeightsRejectedError
from core.priors.base import denoiser_of
from core.priors.diffusers_config import describe_diffusers_folder, is_diffusers_folder, schedule_of_scheduler
from core.priors.diffusers_folder import load_diffusers_folder
from core.priors.spec import BetasScheduleSpec, CosineScheduleSpec, LinearScheduleSpec, read_spec
from tests.pipelines import edit_json, flatten, save_pipeline

SCHEDULER = "scheduler/scheduler_config.json"
WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


def pipelines_own_chain(pipeline, start, noise):
    """Denoise with diffusers' own scheduler, the noise handed to it."""
    x, scheduler = start, pipeline.scheduler
    # Its tables are float32 cumulative products, which lose digits that ours keep: its own betas, in float64.
    scheduler.alphas = 1.0 - scheduler.betas.double()
    scheduler.alphas_cumprod = torch.cumprod(scheduler.alphas, 0)
    scheduler.set_timesteps(scheduler.config.num_train_timesteps)
    rows = iter(noise)
    for t in scheduler.timesteps:
        with torch.no_grad():
            output = pipeline.unet(x, t).sample
        drawn = next(rows)
        handed, scheduler_randn = drawn, __import__("diffusers").schedulers.scheduling_ddpm
        original, scheduler_randn.randn_tensor = scheduler_randn.randn_tensor, lambda *_, **__: handed  # noqa: B023  # each its own loop
        try:
            x = scheduler.step(output, t, x).prev_sample
        finally:
            scheduler_randn.randn_tensor = original
    return x


@pytest.mark.parametrize(
    "scheduler",
    [
        {},
        {"variance_type": "fixed_large"},
        {"variance_type": "fixed_small_log"},
        {"beta_schedule": "scaled_linear"},
        {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"},
        {"prediction_type": "sample"},
        {"trained_betas": [0.001 * (i + 1) for i in range(40)]},
    ],
    ids=str,
)
def test_our_chain_is_the_one_of_diffusers_own_scheduler(tmp_path, scheduler):
    pipeline = save_pipeline(tmp_path / "published", **scheduler)
    prior = load_diffusers_folder(tmp_path / "published")
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(2, 3, 16, 16, generator=generator)
    noise = torch.randn(40, 2, 3, 16, 16, generator=generator)
    rows = iter(noise)
    ours = sample_ancestral(denoiser_of(prior), start, 40, lambda: next(rows))
    assert float((ours - pipelines_own_chain(pipeline, start, noise)).abs().max()) < 2e-5


def test_a_learned_range_chain_is_the_one_of_diffusers_own_scheduler(tmp_path):
    pipeline = save_pipeline(tmp_path / "published", {"out_channels": 6}, variance_type="learned_range")
    prior = load_diffusers_folder(tmp_path / "published")
    generator = torch.Generator().manual_seed(1)
    start, noise = torch.randn(1, 3, 16, 16, generator=generator), torch.randn(40, 1, 3, 16, 16, generator=generator)
    rows = iter(noise)
    ours = sample_ancestral(denoiser_of(prior), start, 40, lambda: next(rows))
    assert float((ours - pipelines_own_chain(pipeline, start, noise)).abs().max()) < 2e-5


@pytest.mark.parametrize("safe", [True, False], ids=["safetensors", "bin"])
@pytest.mark.parametrize("flat", [True, False], ids=["flat", "nested"])
def test_both_layouts_and_both_kinds_of_file_load_to_the_same_network(tmp_path, flat, safe):
    pipeline = save_pipeline(tmp_path / "published", safe=safe)
    if flat:
        flatten(tmp_path / "published")
    assert is_diffusers_folder(tmp_path / "published")
    prior = load_diffusers_folder(tmp_path / "published")
    for key, value in pipeline.unet.state_dict().items():
        assert torch.equal(prior.network.state_dict()[key], value), key
    assert (prior.spec.resolution, prior.spec.pixel_unshuffle) == (16, 1)


@pytest.mark.parametrize("safe", [True, False], ids=["safetensors", "bin"])
def test_the_attention_s_first_names_are_still_read(tmp_path, safe):
    pipeline = save_pipeline(tmp_path / "published")
    old = {}
    for key, value in load_file(tmp_path / "published" / WEIGHTS).items():
        for new, former in ((".to_q.", ".query."), (".to_k.", ".key."), (".to_v.", ".value.")):
            key = key.replace(new, former)
        old[key.replace(".to_out.0.", ".proj_attn.")] = value
    (tmp_path / "published" / WEIGHTS).unlink()
    if safe:
        save_file(old, tmp_path / "published" / WEIGHTS)
    else:
        torch.save(old, tmp_path / "published" / "unet" / "diffusion_pytorch_model.bin")
    prior = load_diffusers_folder(tmp_path / "published")
    key = "mid_block.attentions.0.to_q.weight"
    assert torch.equal(prior.network.state_dict()[key], pipeline.unet.state_dict()[key])


def test_the_schedule_keeps_the_scheduler_s_own_defaults():
    assert schedule_of_scheduler({}) == LinearScheduleSpec(steps=1000, beta_start=1e-4, beta_end=0.02)
    assert schedule_of_scheduler({"beta_schedule": "squaredcos_cap_v2"}) == CosineScheduleSpec(steps=1000)
    assert schedule_of_scheduler({"trained_betas": [0.1, 0.2]}) == BetasScheduleSpec(betas=(0.1, 0.2))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"beta_schedule": "sigmoid"}, "'sigmoid' is unknown"),
        ({"beta_schedule": ["linear"]}, "is unknown"),
        ({"trained_betas": "many"}, "not valid: betas.betas: Input should be a valid tuple"),
        ({"num_train_timesteps": None}, "not valid: linear.steps: Input should be a valid integer"),
        ({"rescale_betas_zero_snr": True}, "zero signal"),
        ({"_class_name": "ScoreSdeVeScheduler"}, "ScoreSdeVeScheduler"),
        ({"beta_start": 7}, "not valid"),
    ],
)
def test_a_schedule_that_is_not_supported_is_named(config, said):
    with pytest.raises(PriorError, match=said) as caught:
        schedule_of_scheduler(config)
    assert "\n" not in caught.value.message
    assert caught.value.advice.startswith("Only unconditional UNet2DModel pipelines")


@pytest.mark.parametrize(
    ("file", "changes", "said"),
    [
        ("unet/config.json", {"_class_name": "UNet2DConditionModel"}, "is a UNet2DConditionModel"),
        ("unet/config.json", {"num_class_embeds": 10}, "class-conditional"),
        ("unet/config.json", {"in_channels": 4}, "3 channels in"),
        ("unet/config.json", {"sample_size": None}, "image size"),
        ("unet/config.json", {"sample_size": [16, 16]}, "image size"),
        (
            "unet/config.json",
            {"sample_size": 4},
            "cannot be used: resolution: Input should be greater than or equal to 8",
        ),
        ("unet/config.json", {"out_channels": None}, "3 channels in"),
        (SCHEDULER, {"variance_type": "learned"}, "'learned' is not supported"),
        (SCHEDULER, {"variance_type": "learned_range"}, "does not go with 3 output channels"),
        (SCHEDULER, {"prediction_type": "flow"}, "cannot be used"),
    ],
)
def test_a_pipeline_of_another_kind_is_refused_by_name(tmp_path, file, changes, said):
    save_pipeline(tmp_path / "published")
    edit_json(tmp_path / "published" / file, **changes)
    with pytest.raises(PriorError, match=said):
        describe_diffusers_folder(tmp_path / "published")


def test_a_scheduler_without_a_variance_takes_the_network_s(tmp_path):
    save_pipeline(tmp_path / "published", {"out_channels": 6}, variance_type="learned_range")
    config = json.loads((tmp_path / "published" / SCHEDULER).read_text())
    del config["variance_type"]
    (tmp_path / "published" / SCHEDULER).write_text(json.dumps(config | {"_class_name": "DDIMScheduler"}))
    assert describe_diffusers_folder(tmp_path / "published").variance == "learned_range"


@pytest.mark.parametrize("damage", ["missing", "surplus", "misshapen", "nan", "integers"])
@pytest.mark.parametrize("safe", [True, False], ids=["safetensors", "bin"])
def test_weights_that_do_not_fit_are_refused(tmp_path, damage, safe):
    save_pipeline(tmp_path / "published")
    state = load_file(tmp_path / "published" / WEIGHTS)
    key = "conv_in.weight"
    change = {
        "missing": {},
        "surplus": {key: state[key], "stranger": torch.zeros(1)},
        "misshapen": {key: state[key][:-1].contiguous()},
        "nan": {key: state[key] * float("nan")},
        "integers": {key: state[key].to(torch.int32)},
    }[damage]
    state = {name: value for name, value in state.items() if name != key} | change
    (tmp_path / "published" / WEIGHTS).unlink()
    if safe:
        save_file(state, tmp_path / "published" / WEIGHTS)
    else:
        torch.save(state, tmp_path / "published" / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(WeightsRejectedError, match="stranger" if damage == "surplus" else r"conv_in\.weight"):
        load_diffusers_folder(tmp_path / "published")


def test_missing_parts_are_named(tmp_path):
    save_pipeline(tmp_path / "published")
    (tmp_path / "published" / WEIGHTS).unlink()
    with pytest.raises(WeightsRejectedError, match=r"has none of diffusion_pytorch_model\.safetensors"):
        describe_diffusers_folder(tmp_path / "published")


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b"\xff", b"[" * 100_000], ids=["cut off", "a list", "binary", "nested"]
)
def test_a_damaged_description_is_named(tmp_path, content):
    save_pipeline(tmp_path / "published")
    (tmp_path / "published" / SCHEDULER).write_bytes(content)
    with pytest.raises(PriorError, match="scheduler_config") as caught:
        describe_diffusers_folder(tmp_path / "published")
    assert caught.value.advice == "Fetch the whole folder again."


def test_the_licence_is_the_model_card_s(tmp_path):
    save_pipeline(tmp_path / "published")
    (tmp_path / "published" / "README.md").write_text("---\ntags:\n- pytorch\nlicense: apache-2.0\n---\n# Title\n")
    spec = read_spec(tmp_path / "published")
    assert (spec.name, spec.licence, spec.commercial_use) == ("published", "apache-2.0 (by its model card)", False)


def test_a_folder_from_the_catalog_keeps_the_catalog_s_licence(tmp_path):
    save_pipeline(tmp_path / "ddpm-cat-256")
    spec = read_spec(tmp_path / "ddpm-cat-256")
    assert spec.category == "cats"
    assert "LSUN" in spec.licence
