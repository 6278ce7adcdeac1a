import hashlib
import json
import sys
from dataclasses import replace

import pytest
import torch

from core.priors.catalog import CATALOG, RemoteFile
from core.priors.locate import load_prior
from core.priors.spec import PRIOR_FILE, WEIGHTS_FILE, LinearScheduleSpec, write_spec
from core.priors.weights import weights_bytes
from tests.adm_states import adm_state, layout, random_network
from tests.fakes import tiny_prior
from tests.file_server import serving
from tests.pipelines import flatten, save_pipeline
from tests.unit.cli.conftest import save_prior

NAMES = ("config.json", "scheduler_config.json", "diffusion_pytorch_model.safetensors")


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as files:
        yield files


@pytest.fixture
def published(server, tmp_path, monkeypatch):
    """A catalog entry `small` whose files our server has."""
    save_pipeline(tmp_path / "published")
    flatten(tmp_path / "published")
    server.files |= {name: (tmp_path / "published" / name).read_bytes() for name in NAMES}
    weights = hashlib.sha256(server.files[NAMES[2]]).hexdigest()
    files = tuple(RemoteFile(name, f"{server.url}/{name}", weights if name == NAMES[2] else None) for name in NAMES)
    monkeypatch.setitem(CATALOG, "small", replace(CATALOG["ddpm-cat-256"], name="small", files=files))
    return server


@pytest.fixture(scope="module")
def state():
    return adm_state(layout(), random_network(layout()).state_dict())


@pytest.fixture
def checkpoint(tmp_path, state):
    torch.save(state, tmp_path / "model.pt")
    return tmp_path / "model.pt"


def denoising_prior(folder):
    """Always answers with grey, which is nearer to any soft picture than much noise is."""
    steep = LinearScheduleSpec(steps=50, beta_start=0.1, beta_end=0.5)
    prior = tiny_prior(prediction="sample", schedule=steep)
    torch.nn.init.zeros_(prior.network.conv_out.weight)
    torch.nn.init.zeros_(prior.network.conv_out.bias)
    weights = weights_bytes(prior.network.state_dict())
    folder.mkdir(parents=True)
    (folder / WEIGHTS_FILE).write_bytes(weights)
    write_spec(folder, prior.spec.model_copy(update={"sha256": hashlib.sha256(weights).hexdigest()}))


def test_every_prior_is_listed_with_what_its_licence_allows(heirloom):
    code, out, err = heirloom("models", "list")
    assert (code, out) == (0, "")
    assert all(name in err for name in [*CATALOG, "tiny"])
    assert "by hand" in err
    assert "113.7 M" in err


def test_the_list_is_there_for_programs(heirloom):
    code, out, _ = heirloom("models", "list", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0
    assert rows.keys() == {*CATALOG, "tiny"}
    assert (rows["tiny"]["here"], rows["tiny"]["kind"], rows["tiny"]["resolution"]) == (True, "local", 16)
    cat = rows["ddpm-cat-256"]
    assert (cat["here"], cat["kind"], cat["resolution"], cat["commercial_use"]) == (False, "diffusers", 256, False)
    assert cat["disk_bytes"] == 4 * cat["parameters"]
    assert all(row["broken"] is None for row in rows.values())


def test_one_broken_prior_does_not_hide_the_others(heirloom, home):
    (save_prior(home / "priors" / "odd") / PRIOR_FILE).write_text("{")
    code, _, err = heirloom("models", "list")
    assert code == 0
    assert "broken" in err
    assert "prior.json is not a valid prior description: it is not JSON." in err
    assert "tiny" in err
    code, out, _ = heirloom("models", "list", "--json")
    row = next(row for row in json.loads(out) if row["name"] == "odd")
    assert (code, row["here"]) == (0, False)
    assert "is not a valid prior description" in row["broken"]
    assert heirloom("models", "info", "odd")[0] == 4


def test_info_of_a_published_prior_says_source_licence_memory_and_how_to_get_it(heirloom):
    entry = CATALOG["ddpm-cat-256"]
    code, _, err = heirloom("models", "info", "ddpm-cat-256")
    assert code == 0
    for words in (entry.page, entry.paper, entry.licence, entry.notes, entry.files[2].sha256, "to tune every weight"):
        assert words in err
    assert "sha256 not published" in err
    assert "`heirloom models pull ddpm-cat-256` fetches it." in err


def test_info_of_a_prior_that_is_here_says_network_and_hash(heirloom, home):
    spec = json.loads((home / "priors" / "tiny" / PRIOR_FILE).read_text())
    code, _, err = heirloom("models", "info", "tiny")
    assert code == 0
    assert "16 px, epsilon, fixed_small, linear schedule" in err
    assert spec["sha256"] in err
    code, out, _ = heirloom("models", "info", "tiny", "--json")
    assert json.loads(out) == {"name": "tiny", "here": True, "catalog": None, "prior": spec}


def test_info_for_programs_of_what_is_not_here(heirloom):
    code, out, _ = heirloom("models", "info", "adm-cat-256", "--json")
    found = json.loads(out)
    assert (code, found["here"], found["prior"]) == (0, False, None)
    assert found["catalog"]["needs"]["tuning_bytes"] > found["catalog"]["needs"]["disk_bytes"]


def test_a_prior_is_pulled_and_there(heirloom, published, home):
    code, out, err = heirloom("models", "pull", "small")
    assert (code, out) == (0, ""), err
    assert f"small: fetched, {home / 'priors' / 'small'}" in err
    assert "config.json: its publisher names no hash; it has" in err
    assert NAMES[2] not in err
    code, out, _ = heirloom("models", "pull", "small", "--json")
    assert json.loads(out) == {"folder": str(home / "priors" / "small"), "sha256": {}, "unverified": []}
    assert "small: here already" in heirloom("models", "pull", "small")[2]
    assert load_prior("small", home).spec.resolution == 16


def test_pulling_for_programs_tells_every_hash(heirloom, published, home):
    code, out, err = heirloom("models", "pull", "small", "--json")
    assert (code, err) == (0, "")
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in published.files.items()}
    expected = {"folder": str(home / "priors" / "small"), "sha256": hashes, "unverified": list(NAMES[:2])}
    assert json.loads(out) == expected


def test_a_cut_pull_says_so_and_the_same_command_goes_on(heirloom, published):
    published.cut_after = 30
    code, out, err = heirloom("models", "pull", "small")
    assert (code, out) == (4, "")
    assert "Run the same command again: it goes on where it stopped." in err
    assert heirloom("models", "pull", "small")[0] == 0
    assert [asked for asked, *_ in published.asked] == [NAMES[0], NAMES[0], *NAMES[1:]]
    assert published.asked[1][1] == "bytes=30-"


def test_a_wrong_hash_leaves_no_prior(heirloom, published, home):
    published.files[NAMES[2]] += b"!"
    code, _, err = heirloom("models", "pull", "small")
    assert code == 4
    assert "has the sha256" in err
    assert not (home / "priors" / "small").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ffhq-256", "Fetch it by hand from https://github.com/adobe-research/gen2res"),
        ("ffhq-p2-256", "--head-channels 64"),
        ("adm-fish", "The catalog has no prior 'adm-fish'"),
    ],
)
def test_what_cannot_be_pulled_says_what_to_do(heirloom, name, words):
    code, out, err = heirloom("models", "pull", name)
    assert (code, out) == (4, "")
    assert err.startswith("error ")
    assert words in err


def test_offline_is_one_line(heirloom, published, monkeypatch):
    files = tuple(replace(file, url="http://127.0.0.1:1/file") for file in CATALOG["small"].files)
    monkeypatch.setitem(CATALOG, "small", replace(CATALOG["small"], files=files))
    code, _, err = heirloom("models", "pull", "small")
    assert code == 4
    assert "Without a network, fetch it elsewhere and put it at" in err
    assert "Traceback" not in err


def test_a_pull_that_will_need_torch_says_so_before_it_fetches(heirloom, server, monkeypatch):
    entry = replace(CATALOG["adm-cat-256"], files=(RemoteFile("model.pt", f"{server.url}/model.pt"),))
    monkeypatch.setitem(CATALOG, "adm-cat-256", entry)
    monkeypatch.setitem(sys.modules, "torch", None)
    code, _, err = heirloom("models", "pull", "adm-cat-256")
    assert code == 1
    assert "torch is not installed" in err
    assert server.asked == []


def test_a_checkpoint_becomes_a_prior(heirloom, checkpoint, tmp_path):
    options = ["--resolution", 32, "--licence", "mine", "--category", "cats", "--dropout", 0.1, "--source", "a friend"]
    code, out, err = heirloom("models", "convert", checkpoint, "-o", tmp_path / "cats", *options)
    assert (code, out) == (0, ""), err
    assert f"heirloom models verify {tmp_path / 'cats'}" in err
    spec = load_prior(str(tmp_path / "cats"), tmp_path).spec
    assert (spec.name, spec.licence, spec.category, spec.source) == ("cats", "mine", "cats", "a friend")
    assert spec.network["dropout"] == 0.1


def test_converting_for_programs_tells_the_description(heirloom, checkpoint, tmp_path):
    target = tmp_path / "prior"
    options = [
        "--resolution",
        32,
        "--name",
        "dogs",
        "--cosine",
        "--steps",
        50,
        "--full",
        "--head-channels",
        16,
        "--json",
    ]
    code, out, _ = heirloom("models", "convert", checkpoint, "-o", target, *options)
    assert code == 0
    assert json.loads(out) == {"folder": str(target), "prior": json.loads((target / PRIOR_FILE).read_text())}
    prior = json.loads(out)["prior"]
    assert (prior["name"], prior["schedule"]) == ("dogs", {"kind": "cosine", "steps": 50})
    assert prior["network"]["attention_head_dim"] == 16


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ([], 4, "Give --resolution."),
        (["--resolution", 33], 4, "size is 33 pixels, but this network takes multiples of 2. Check --resolution."),
        (["--resolution", 7], 4, "--resolution is 7, allowed is 8 to 2048."),
        (["--resolution", 2050], 4, "--resolution is 2050, allowed is 8 to 2048."),
        (["--steps", 20], 4, "--steps is 20, allowed is 21 to 10000 with a linear schedule."),
        (["--steps", 1, "--cosine"], 4, "--steps is 1, allowed is 2 to 10000 with a cosine schedule."),
        (["--steps", 0], 4, "--steps is 0, allowed is 21 to 10000"),
        (["--head-channels", 0], 4, "--head-channels is 0, allowed is at least 1."),
        (["--resolution", 32, "--head-channels", 5], 4, "which heads of 5 do not divide. Check --head-channels."),
        (["--dropout", 1.5], 4, "--dropout is 1.5, allowed is 0 to 1."),
        (["--dropout", "nan"], 4, "--dropout is nan, allowed is 0 to 1."),
    ],
)
def test_wrong_options_of_a_conversion_are_refused_and_leave_nothing(
    heirloom, checkpoint, tmp_path, options, code, words
):
    found, out, err = heirloom("models", "convert", checkpoint, "-o", tmp_path / "prior", *options)
    assert (found, out) == (code, ""), err
    assert words in err
    assert not (tmp_path / "prior").exists()


def test_an_absent_checkpoint_and_a_taken_folder_are_said(heirloom, checkpoint, tmp_path, home):
    code, _, err = heirloom("models", "convert", tmp_path / "absent.pt", "-o", tmp_path / "prior")
    assert (code, "absent.pt does not exist. Check the name." in err) == (4, True)
    code, _, err = heirloom("models", "convert", checkpoint, "-o", home / "priors" / "tiny", "--resolution", 32)
    assert (code, "exists already. Choose another folder with -o." in err) == (4, True)


def test_a_good_prior_is_verified(heirloom, home):
    denoising_prior(home / "priors" / "good")
    code, out, err = heirloom("models", "verify", "good")
    assert (code, out) == (0, ""), err
    assert "hash, keys, shapes and values are right" in err
    code, out, _ = heirloom("models", "verify", "good", "--json")
    found = json.loads(out)
    assert (code, found["ok"], found["finite"], found["output_std"]) == (0, True, True, 0.0)
    assert found["sha256"] == hashlib.sha256((home / "priors" / "good" / WEIGHTS_FILE).read_bytes()).hexdigest()


def test_a_prior_that_does_not_denoise_fails_with_its_numbers(heirloom):
    code, out, err = heirloom("models", "verify", "tiny", "--json")
    assert code == 4
    assert json.loads(out)["ok"] is False
    assert "does not take noise away" in err
    assert "converted with wrong options" in err


def test_damaged_weights_and_a_missing_prior_are_said(heirloom, home):
    weights = home / "priors" / "tiny" / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-1])
    code, out, err = heirloom("models", "verify", "tiny")
    assert (code, out) == (4, "")
    assert "pull or convert it again" in err
    code, _, err = heirloom("models", "verify", "tinny")
    assert (code, "Did you mean 'tiny'?" in err) == (4, True)
