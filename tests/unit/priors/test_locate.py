import pytest

from core.domain.errors import PriorError, PriorUnavailableError, WeightsRejectedError
from core.priors.catalog import CATALOG
from core.priors.locate import STARTER_FOLDER, describe_prior, installed_priors, load_prior, locate_prior
from core.priors.spec import PRIOR_FILE
from tests.pipelines import save_pipeline
from tests.unit.cli.conftest import save_prior


@pytest.fixture
def home(tmp_path):
    save_prior(tmp_path / "home" / "priors" / "mine")
    return tmp_path / "home"


def refused(name, home):
    with pytest.raises(PriorUnavailableError) as caught:
        locate_prior(name, home)
    assert caught.value.message == f"The prior {name!r} is not on this machine."
    return caught.value.advice


def test_a_prior_is_found_by_name_and_by_path(home):
    folder = home / "priors" / "mine"
    assert locate_prior("mine", home) == locate_prior(str(folder), home) == folder
    assert locate_prior("starter", home) == STARTER_FOLDER
    assert describe_prior("mine", home).name == "tiny"


def test_a_path_below_the_working_folder_is_found(home, tmp_path, monkeypatch):
    monkeypatch.chdir(home / "priors")
    assert locate_prior("mine", tmp_path / "elsewhere").resolve() == home / "priors" / "mine"
    assert locate_prior("./mine", home).resolve() == home / "priors" / "mine"


def test_a_tilde_is_the_user_s_folder(home, monkeypatch):
    monkeypatch.setenv("HOME", str(home))
    assert locate_prior("~/priors/mine", home / "elsewhere") == home / "priors" / "mine"


@pytest.mark.parametrize("name", ["../mine", "../../home", "", ".mine", "~nobody-of-that-name/mine", "x" * 300, "a\0b"])
def test_a_strange_name_is_not_found_and_climbs_nowhere(home, tmp_path, monkeypatch, name):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    refused(name, home)


def test_a_slip_of_the_pen_is_answered_with_the_nearest_name(home):
    assert refused("strater", home).startswith("Did you mean 'starter'? ")
    assert refused("mien", home).startswith("Did you mean 'mine'? ")
    assert refused("zzz", home) == "`heirloom models list` shows what can be pulled; here are: starter, mine."


@pytest.mark.parametrize("name", [name for name, entry in CATALOG.items() if entry.kind != "packaged"])
def test_a_published_prior_says_how_to_get_it(home, name):
    entry, advice = CATALOG[name], refused(name, home)
    if entry.files:
        assert advice == f"`heirloom models pull {name}` fetches it."
    else:
        options = " --dropout 0.1" if name == "ffhq-256" else " --head-channels 64"
        convert = f"`heirloom models convert FILE -o {home / 'priors' / name}{options}`"
        assert advice == f"Fetch it by hand from {entry.page}, then {convert}."


def test_a_checkpoint_file_says_how_to_convert_it(home, tmp_path):
    (tmp_path / "model.pt").write_bytes(b"")
    assert "`heirloom models convert" in refused(str(tmp_path / "model.pt"), home)


def test_only_folders_that_describe_a_prior_count_as_installed(home):
    save_pipeline(home / "priors" / "published")
    (home / "priors" / "empty").mkdir()
    (home / "priors" / "file").write_text("")
    save_prior(home / "priors" / ".half.pulling")
    assert installed_priors(home) == ["mine", "published"]
    assert installed_priors(home / "elsewhere") == []


def test_both_kinds_of_folder_load(home):
    pipeline = save_pipeline(home / "priors" / "published")
    assert load_prior("mine", home).spec.name == "tiny"
    loaded = load_prior("published", home)
    assert loaded.spec.name == "published"
    assert loaded.network.config["sample_size"] == pipeline.unet.config["sample_size"]


def test_a_description_without_weights_is_refused(home):
    (home / "priors" / "mine" / "model.safetensors").unlink()
    with pytest.raises(WeightsRejectedError, match=r"has no model\.safetensors") as caught:
        load_prior("mine", home)
    assert caught.value.advice == "Pull or convert the prior again."


def test_a_folder_of_something_else_is_no_prior(home):
    (home / "priors" / "photos").mkdir()
    with pytest.raises(PriorUnavailableError, match="There is no prior in"):
        load_prior("photos", home)


def test_a_broken_description_is_an_error_of_the_prior(home):
    (home / "priors" / "mine" / PRIOR_FILE).write_text("{")
    with pytest.raises(PriorError, match="is not a valid prior description"):
        load_prior("mine", home)
