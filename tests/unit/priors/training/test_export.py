import csv

import numpy as np
import pytest
import torch

from core.domain.errors import OutputUnwritableError, PriorError
from core.imaging.intake import decode_photo
from core.priors.locate import load_prior
from core.priors.training.export import export_prior
from core.priors.training.recipe import build_training_recipe
from tests.fakes import tiny_prior

ROWS = [{"step": float(i), "loss": 1 / i, "learning_rate": 0.1, "psnr_50": 20.0 + i} for i in (1, 2, 3)]


@pytest.fixture
def export(tmp_path, data):
    def run(prior=None, folder=tmp_path / "out" / "mine", **changes):
        arguments = {
            "name": "mine",
            "category": "cats",
            "licence": "all mine",
            "source": "A folder of cats.",
            "recipe": build_training_recipe(steps=77),
            "history": ROWS,
            "held_out": data.held_out,
        }
        return export_prior(prior or tiny_prior(), folder, **(arguments | changes))

    return run


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_folder_loads_again_with_the_same_weights_in_half_precision(export, tmp_path):
    prior = tiny_prior(3)
    spec = export(prior)
    loaded = load_prior(str(tmp_path / "out" / "mine"), tmp_path)
    assert loaded.spec == spec
    assert (spec.name, spec.category, spec.licence, spec.commercial_use) == ("mine", "cats", "all mine", False)
    assert spec.sha256 != prior.spec.sha256
    for key, value in prior.network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[key], value.half().float()), key


def test_equal_weights_give_an_equal_hash(export, tmp_path):
    assert export(folder=tmp_path / "a", finished=False).sha256 == export(folder=tmp_path / "b", finished=False).sha256


def test_a_finished_training_brings_pictures_numbers_and_a_description(export, tmp_path, data):
    export()
    folder = tmp_path / "out" / "mine"
    assert names(folder) == sorted(
        ["README.md", "curve.png", "held_out.png", "model.safetensors", "prior.json", "samples.png", "training.csv"]
    )
    assert decode_photo((folder / "samples.png").read_bytes()).shape == (32, 128, 3)
    sheet = decode_photo((folder / "held_out.png").read_bytes())
    assert np.array_equal(sheet[:16], np.hstack(list(data.held_out)))
    with (folder / "training.csv").open(newline="") as file:
        assert [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)] == ROWS
    readme = (folder / "README.md").read_text()
    for words in ("# Prior mine", "16 × 16 pixels, cats. A folder of cats.", "Licence: all mine", "- steps: 77"):
        assert words in readme
    assert "- t = 50: 23.00 dB" in readme


def test_on_the_way_only_weights_and_curve_are_written(export, tmp_path):
    export(finished=False)
    assert names(tmp_path / "out" / "mine") == ["curve.png", "model.safetensors", "prior.json", "training.csv"]


def test_without_measurements_there_is_nothing_to_draw(export, tmp_path):
    export(history=[], held_out=np.empty((0, 16, 16, 3), np.uint8))
    assert names(tmp_path / "out" / "mine") == ["README.md", "model.safetensors", "prior.json", "samples.png"]


def test_a_readme_that_people_wrote_is_never_replaced(export, tmp_path):
    folder = tmp_path / "out" / "mine"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("mine")
    (folder / "prior.json").write_text("of an earlier export")
    export()
    assert (folder / "README.md").read_text() == "mine"
    assert load_prior(str(folder), tmp_path).spec.name == "mine"


@pytest.mark.parametrize("value", [torch.nan, 1e6])
def test_weights_that_could_not_be_loaded_again_are_not_written(export, tmp_path, value):
    prior = tiny_prior()
    with torch.no_grad():
        prior.network.conv_out.bias[0] = value
    with pytest.raises(PriorError, match="its weights are not finite") as caught:
        export(prior)
    assert caught.value.advice == "Lower the learning rate."
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_folder_s_place_is_named(export, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputUnwritableError, match="cannot be written"):
        export()


def test_a_finished_training_calibrates_on_what_was_held_out_if_that_is_enough(export, tmp_path, data):
    enough = np.repeat(data.held_out, 20, axis=0)[:20]
    assert len(enough) == 20
    spec = export(held_out=enough)
    loaded = load_prior(str(tmp_path / "out" / "mine"), tmp_path)
    assert (loaded.calibration.pictures, loaded.calibration.prior_sha256) == (20, spec.sha256)
