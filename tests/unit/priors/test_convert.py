import pickle
from pathlib import Path

import pytest
import torch

from core.domain.errors import OutputUnwritableError, PriorError, WeightsRejectedError
from core.priors.convert import convert_adm, read_pt
from core.priors.diffusers_unet import load_unet_prior
from core.priors.spec import WEIGHTS_FILE, CosineScheduleSpec, read_spec
from tests.adm_states import adm_state, layout, random_network


@pytest.fixture(scope="module")
def network():
    return random_network(layout())


@pytest.fixture(scope="module")
def state(network):
    return adm_state(layout(), network.state_dict())


@pytest.fixture
def checkpoint(state, tmp_path):
    path = tmp_path / "model.pt"
    torch.save(state, path)
    return path


@pytest.mark.parametrize("how", ["pickle", "torch", "torch-legacy"])
def test_code_in_a_checkpoint_is_refused_and_never_run(tmp_path, how):
    path, trace = tmp_path / "evil.pt", tmp_path / "pwned"

    class Touching:
        def __reduce__(self):
            return (Path.touch, (trace,))

    if how == "pickle":
        path.write_bytes(pickle.dumps({"weight": Touching()}))
    else:
        torch.save({"weight": Touching()}, path, _use_new_zipfile_serialization=how == "torch")
    with pytest.raises(WeightsRejectedError, match="not a checkpoint that is safe to read") as caught:
        read_pt(path)
    assert "never run" in caught.value.advice
    assert not trace.exists()


def test_the_harm_that_such_a_file_does_when_trusted_is_real(tmp_path):
    class Touching:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "pwned",))

    pickle.loads(pickle.dumps(Touching()))  # noqa: S301  # so that the test above could fail
    assert (tmp_path / "pwned").exists()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"\x80\x02}q\x00.", b"PK\x03\x04broken"])
def test_anything_else_is_refused_with_the_same_sentence(tmp_path, content):
    path = tmp_path / "odd.pt"
    path.write_bytes(content)
    with pytest.raises(WeightsRejectedError):
        convert_adm(path, tmp_path / "prior", name="odd")
    assert not (tmp_path / "prior").exists()


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(WeightsRejectedError, match="does not exist"):
        read_pt(tmp_path / "nowhere.pt")


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "ema"])
def test_a_wrapped_state_dict_is_unwrapped(tmp_path, state, wrapper):
    torch.save({wrapper: state, "step": 3}, tmp_path / "wrapped.pt")
    assert read_pt(tmp_path / "wrapped.pt").keys() == state.keys()


def test_names_from_training_on_several_gpus_lose_their_prefix(tmp_path, state):
    torch.save({f"module.{key}": value for key, value in state.items()}, tmp_path / "parallel.pt")
    assert read_pt(tmp_path / "parallel.pt").keys() == state.keys()


def test_more_than_tensors_is_refused(tmp_path, state):
    torch.save({**state, "step": 3}, tmp_path / "mixed.pt")
    with pytest.raises(WeightsRejectedError, match="other than tensors"):
        read_pt(tmp_path / "mixed.pt")


def test_the_folder_loads_and_computes_what_the_checkpoint_s_network_does(checkpoint, network, tmp_path):
    spec = convert_adm(checkpoint, tmp_path / "prior", name="mine", resolution=32, dropout=0.1, half=False)
    prior = load_unet_prior(tmp_path / "prior")
    assert read_spec(tmp_path / "prior") == spec == prior.spec
    assert (spec.variance, spec.resolution, spec.network["dropout"]) == ("learned_range", 32, 0.1)
    x, t = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)), torch.tensor([500])
    with torch.no_grad():
        torch.testing.assert_close(prior.predict(x, t), network(x, t).sample, rtol=0, atol=1e-5)
    assert "mine" in (tmp_path / "prior" / "README.md").read_text()


def test_half_precision_is_the_default_and_half_as_large(checkpoint, tmp_path):
    convert_adm(checkpoint, tmp_path / "half", name="half", resolution=32)
    convert_adm(checkpoint, tmp_path / "full", name="full", resolution=32, half=False)
    sizes = [(tmp_path / name / WEIGHTS_FILE).stat().st_size for name in ("half", "full")]
    assert sizes[0] < 0.6 * sizes[1]
    load_unet_prior(tmp_path / "half")


def test_schedule_and_variance_follow_the_options(tmp_path):
    shape = layout(out_channels=3)
    torch.save(adm_state(shape, random_network(shape).state_dict()), tmp_path / "three.pt")
    spec = convert_adm(
        tmp_path / "three.pt", tmp_path / "p", name="p", resolution=32, noise_schedule="cosine", steps=400
    )
    assert spec.variance == "fixed_large"
    assert spec.schedule == CosineScheduleSpec(steps=400)


def test_a_linear_schedule_of_fewer_steps_keeps_its_total(checkpoint, tmp_path):
    spec = convert_adm(checkpoint, tmp_path / "p", name="p", resolution=32, steps=500)
    assert (spec.schedule.beta_start, spec.schedule.beta_end) == (2e-4, 0.04)


def test_an_image_size_that_the_network_does_not_tell_must_be_given(checkpoint, tmp_path):
    with pytest.raises(PriorError, match="image size") as caught:
        convert_adm(checkpoint, tmp_path / "prior", name="p")
    assert "--resolution" in caught.value.advice
    assert not (tmp_path / "prior").exists()


def test_a_folder_that_exists_is_left_alone(checkpoint, tmp_path):
    (tmp_path / "prior").mkdir()
    with pytest.raises(PriorError, match="exists already"):
        convert_adm(checkpoint, tmp_path / "prior", name="p", resolution=32)


def test_a_place_that_cannot_be_written_is_found_out_first(checkpoint, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputUnwritableError, match=r"cannot be made: Not a directory\. Choose another with -o\."):
        convert_adm(checkpoint, tmp_path / "file" / "below" / "prior", name="p", resolution=32)


def test_the_folders_above_are_made_as_on_a_machine_that_has_no_prior_yet(checkpoint, tmp_path):
    convert_adm(checkpoint, tmp_path / "home" / "priors" / "mine", name="mine", resolution=32)
    load_unet_prior(tmp_path / "home" / "priors" / "mine")


@pytest.mark.parametrize("damage", ["nan", "missing", "misshapen"])
def test_damaged_weights_leave_nothing_behind(state, tmp_path, damage):
    broken = dict(state)
    key = "middle_block.0.in_layers.2.weight"
    if damage == "nan":
        broken[key] = broken[key] * float("nan")
    elif damage == "missing":
        del broken[key]
    else:
        broken[key] = broken[key][:-1]
    torch.save(broken, tmp_path / "broken.pt")
    with pytest.raises(WeightsRejectedError):
        convert_adm(tmp_path / "broken.pt", tmp_path / "prior", name="p", resolution=32)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["broken.pt"]


def test_values_that_half_precision_cannot_hold_are_refused_and_kept_in_full(state, tmp_path):
    path = tmp_path / "large.pt"
    torch.save({**state, "time_embed.0.bias": torch.full_like(state["time_embed.0.bias"], 70_000.0)}, path)
    with pytest.raises(WeightsRejectedError, match="too large for half precision") as caught:
        convert_adm(path, tmp_path / "prior", name="large", resolution=32)
    assert "--full" in caught.value.advice
    assert not (tmp_path / "prior").exists()
    convert_adm(path, tmp_path / "prior", name="large", resolution=32, half=False)
    load_unet_prior(tmp_path / "prior")
