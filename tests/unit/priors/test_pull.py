import hashlib
import io
import json
from dataclasses import replace

import pytest
import torch

from core.domain.errors import (
    AlreadyRunningError,
    OutputUnwritableError,
    PriorError,
    PriorUnavailableError,
    WeightsRejectedError,
)
from core.priors.catalog import CATALOG, RemoteFile, by_hand_advice
from core.priors.diffusers_config import is_diffusers_folder
from core.priors.locate import STARTER_FOLDER, load_prior
from core.priors.pull import entry_of, pull_prior
from core.priors.spec import read_spec
from tests.adm_states import adm_state, layout, random_network
from tests.pipelines import flatten, save_pipeline

NAMES = ("config.json", "scheduler_config.json", "diffusion_pytorch_model.safetensors")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The files of a small pipeline in the flat layout."""
    folder = tmp_path_factory.mktemp("published") / "pipeline"
    save_pipeline(folder)
    flatten(folder)
    return {name: (folder / name).read_bytes() for name in NAMES}


@pytest.fixture
def pipeline(server, published):
    """A catalog entry whose files our server has; only the weights' hash is known."""
    server.files |= published
    files = [RemoteFile(name, f"{server.url}/{name}") for name in NAMES]
    files[2] = replace(files[2], sha256=sha256(published[NAMES[2]]))
    return replace(CATALOG["ddpm-cat-256"], files=tuple(files))


@pytest.fixture(scope="module")
def network():
    return random_network(layout())


@pytest.fixture
def checkpoint(server, network):
    """A catalog entry of an ADM checkpoint that our server has."""
    buffer = io.BytesIO()
    torch.save(adm_state(layout(), network.state_dict()), buffer)
    server.files["model.pt"] = buffer.getvalue()
    return replace(
        CATALOG["adm-cat-256"],
        resolution=32,
        head_channels=None,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        files=(RemoteFile("model.pt", f"{server.url}/model.pt"),),
    )


def test_a_pulled_pipeline_loads_under_its_name(pipeline, published, tmp_path):
    told = []
    pulled = pull_prior(pipeline, tmp_path, lambda name, done, total: told.append((name, done, total)))
    assert pulled.folder == tmp_path / "priors" / "ddpm-cat-256"
    assert {path.name: path.read_bytes() for path in pulled.folder.iterdir()} == published
    assert pulled.sha256 == {name: sha256(data) for name, data in published.items()}
    assert pulled.unverified == NAMES[:2]
    assert {(name, done, total) for name, done, total in told if done == total} == {
        (name, len(data), len(data)) for name, data in published.items()
    }
    prior = load_prior("ddpm-cat-256", tmp_path)
    assert (prior.spec.category, prior.spec.sha256) == ("cats", sha256(published[NAMES[2]]))
    assert list((tmp_path / "priors").iterdir()) == [pulled.folder]


def test_what_is_here_is_not_pulled_again(pipeline, server, tmp_path):
    first = pull_prior(pipeline, tmp_path)
    server.asked.clear()
    again = pull_prior(pipeline, tmp_path)
    assert (again.folder, again.sha256, again.unverified) == (first.folder, {}, ())
    assert server.asked == []


def test_an_interrupted_pull_goes_on_with_the_files_that_are_missing(pipeline, server, published, tmp_path):
    class Stopped(Exception):  # noqa: N818  # a person's doing, no error
        pass

    def stop_in_the_last(name, done, total):
        if name == NAMES[2]:
            raise Stopped

    with pytest.raises(Stopped):
        pull_prior(pipeline, tmp_path, stop_in_the_last)
    assert not (tmp_path / "priors" / "ddpm-cat-256").exists()
    server.asked.clear()
    pulled = pull_prior(pipeline, tmp_path)
    assert [path for path, _, _ in server.asked] == [NAMES[2]]
    assert pulled.sha256[NAMES[0]] == sha256(published[NAMES[0]])
    assert is_diffusers_folder(pulled.folder)


def test_a_half_fetched_prior_is_not_taken_for_one(pipeline, server, tmp_path):
    server.cut_after = 10
    with pytest.raises(PriorUnavailableError, match="cannot be fetched"):
        pull_prior(pipeline, tmp_path)
    with pytest.raises(PriorUnavailableError, match="is not on this machine"):
        load_prior("ddpm-cat-256", tmp_path)


def test_weights_with_another_hash_are_not_installed(pipeline, server, tmp_path):
    server.files[NAMES[2]] += b"!"
    with pytest.raises(WeightsRejectedError, match="has the sha256"):
        pull_prior(pipeline, tmp_path)
    assert not (tmp_path / "priors" / "ddpm-cat-256").exists()


def test_a_checkpoint_is_converted_and_only_the_prior_stays(checkpoint, server, network, tmp_path):
    pulled = pull_prior(checkpoint, tmp_path)
    assert pulled.sha256 == {"model.pt": sha256(server.files["model.pt"])}
    assert pulled.unverified == ("model.pt",)
    assert [path.name for path in (tmp_path / "priors").iterdir()] == ["adm-cat-256"]
    spec = read_spec(pulled.folder)
    assert (spec.name, spec.category, spec.licence) == ("adm-cat-256", "cats", checkpoint.licence)
    x, t = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)), torch.tensor([100])
    with torch.no_grad():
        ours, theirs = load_prior("adm-cat-256", tmp_path).predict(x, t), network(x, t).sample
    torch.testing.assert_close(ours, theirs, rtol=0.02, atol=0.02)  # stored in half precision


def test_a_checkpoint_of_another_network_than_the_catalog_s_is_not_installed(checkpoint, tmp_path):
    with pytest.raises(PriorError, match=f"has {checkpoint.parameters:,} parameters, not the 12,345 of adm") as caught:
        pull_prior(replace(checkpoint, parameters=12_345), tmp_path)
    assert "is another file than it was" in caught.value.advice
    assert list((tmp_path / "priors").iterdir()) == []


def test_a_conversion_that_was_stopped_begins_again_without_fetching(checkpoint, server, tmp_path):
    pull_prior(checkpoint, tmp_path / "other")
    (tmp_path / "priors").mkdir()
    waiting = tmp_path / "priors" / ".adm-cat-256.pulling"
    (waiting / "converted").mkdir(parents=True)
    (waiting / "model.pt").write_bytes(server.files["model.pt"])
    server.asked.clear()
    pulled = pull_prior(checkpoint, tmp_path)
    assert server.asked == []
    assert read_spec(pulled.folder) == read_spec(tmp_path / "other" / "priors" / "adm-cat-256")


def test_something_that_is_no_checkpoint_is_refused(checkpoint, server, tmp_path):
    server.files["model.pt"] = b"not a checkpoint"
    with pytest.raises(WeightsRejectedError, match=r"model\.pt is not a checkpoint that is safe to read"):
        pull_prior(checkpoint, tmp_path)
    assert not (tmp_path / "priors" / "adm-cat-256").exists()


def test_the_starter_is_here_without_pulling(tmp_path):
    assert pull_prior(CATALOG["starter"], tmp_path).folder == STARTER_FOLDER
    assert not (tmp_path / "priors").exists()


@pytest.mark.parametrize("name", [name for name, entry in CATALOG.items() if entry.kind == "by_hand"])
def test_what_no_program_can_fetch_is_explained(name, tmp_path):
    entry = CATALOG[name]
    with pytest.raises(PriorUnavailableError, match="no address that a program can fetch") as caught:
        pull_prior(entry, tmp_path)
    assert caught.value.advice == by_hand_advice(entry, tmp_path / "priors" / name)


def test_an_unknown_name_is_answered_with_the_known_ones():
    assert entry_of("adm-cat-256") is CATALOG["adm-cat-256"]
    with pytest.raises(PriorUnavailableError, match="no prior 'adm-fish'") as caught:
        entry_of("adm-fish")
    assert all(name in caught.value.advice for name in CATALOG)


def test_offline_is_a_clear_error(pipeline, nobody, tmp_path):
    files = tuple(replace(file, url=f"{nobody}/{file.name}") for file in pipeline.files)
    with pytest.raises(PriorUnavailableError, match="cannot be fetched") as caught:
        pull_prior(replace(pipeline, files=files), tmp_path)
    assert "Without a network" in caught.value.advice


def test_files_fetched_elsewhere_are_taken_as_the_advice_says(pipeline, published, nobody, tmp_path):
    files = tuple(replace(file, url=f"{nobody}/{file.name}") for file in pipeline.files)
    for name, data in published.items():
        with pytest.raises(PriorUnavailableError, match="cannot be fetched") as caught:
            pull_prior(replace(pipeline, files=files), tmp_path)
        place = tmp_path / "priors" / ".ddpm-cat-256.pulling" / name
        assert str(place) in caught.value.advice
        place.write_bytes(data)
    assert is_diffusers_folder(pull_prior(replace(pipeline, files=files), tmp_path).folder)


def test_a_place_that_is_taken_is_found_out_before_anything_is_fetched(pipeline, server, tmp_path):
    folder = tmp_path / "priors" / "ddpm-cat-256"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(PriorError, match="exists already and holds no prior") as caught:
        pull_prior(pipeline, tmp_path)
    assert caught.value.advice == "Move it away, and pull again."
    assert server.asked == []
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_home_that_cannot_be_written_is_named(pipeline, tmp_path):
    (tmp_path / "home").write_text("a file")
    with pytest.raises(OutputUnwritableError, match="cannot be written"):
        pull_prior(pipeline, tmp_path / "home")


def test_the_pulled_files_are_read_as_json_once_they_are_there(pipeline, server, tmp_path):
    server.files[NAMES[0]] = json.dumps({"_class_name": "UNet2DConditionModel"}).encode()
    pull_prior(pipeline, tmp_path)
    with pytest.raises(PriorError, match="is a UNet2DConditionModel"):
        load_prior("ddpm-cat-256", tmp_path)


def test_two_pulls_of_one_prior_do_not_write_into_the_same_files(pipeline, tmp_path):
    def pull_again(*_):
        with pytest.raises(AlreadyRunningError, match="Another process pulls"):
            pull_prior(pipeline, tmp_path)

    pull_prior(pipeline, tmp_path, on_file=pull_again)
    assert is_diffusers_folder(tmp_path / "priors" / pipeline.name)
