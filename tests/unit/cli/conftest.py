import hashlib
import os

import numpy as np
import pytest
from skimage.data import astronaut

from cli.main import main
from core.imaging.intake import encode
from core.priors.spec import WEIGHTS_FILE, write_spec
from core.priors.weights import weights_bytes
from core.recipes import presets
from tests.decoders import DecodesHere
from tests.fakes import tiny_prior
from tests.one_face import aligned_faces


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A HEIRLOOM_HOME of the test's own, with a tiny prior as the default one."""
    folder = tmp_path / "home"
    monkeypatch.setenv("HEIRLOOM_HOME", str(folder))
    monkeypatch.setenv("HEIRLOOM_PRIOR", str(save_prior(folder / "priors" / "tiny")))
    monkeypatch.delenv("HEIRLOOM_DEFAULT_RECIPE", raising=False)
    return folder


@pytest.fixture(autouse=True)
def decodes_here(monkeypatch):
    """Restorations decode in this process; `heirloom faces` has its pool."""
    monkeypatch.setattr("cli.requests.decode_pool", DecodesHere)


@pytest.fixture(autouse=True)
def umask():
    """What a start narrows for its process is put back."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def save_prior(folder, seed=0, **changes):
    folder.mkdir(parents=True)
    prior = tiny_prior(seed, **changes)
    weights = weights_bytes(prior.network.state_dict())
    (folder / WEIGHTS_FILE).write_bytes(weights)
    write_spec(folder, prior.spec.model_copy(update={"sha256": hashlib.sha256(weights).hexdigest()}))
    return folder


@pytest.fixture(autouse=True)
def small_presets(monkeypatch):
    """The presets with numbers that the tiny prior has steps for."""
    from core.recipes.schema import override

    numbers = {"restore.noise_steps": 8, "restore.sampler": "ancestral"}
    tuning = {"finetune.iterations": 4, "finetune.timesteps_below": 20}
    album = {"album.images": 2, "album.start_steps": 8, "album.sampler": "ancestral"}
    small = {}
    for name, preset in presets.PRESETS.items():
        changes = dict(numbers)
        if preset.recipe.finetune is not None:
            changes |= tuning
        if preset.recipe.album is not None:
            changes |= album
        small[name] = presets.Preset(override(preset.recipe, changes), preset.buys, preset.source)
    monkeypatch.setattr(presets, "PRESETS", small)


@pytest.fixture
def heirloom(monkeypatch, capsys):
    """Run the command as a shell would: heirloom("restore", …) → (exit code, standard output, standard error)."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["heirloom", *(str(argument) for argument in arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, " ".join(captured.err.split())

    return run


@pytest.fixture
def pictures(tmp_path):
    """A folder of photos: six aligned crops, a whole portrait, a wall, and a broken file."""
    folder = tmp_path / "photos"
    folder.mkdir()
    portrait = np.ascontiguousarray(astronaut())
    for i, face in enumerate(aligned_faces(6, 256)):
        (folder / f"face{i}.png").write_bytes(encode(face))
    (folder / "portrait.jpg").write_bytes(encode(portrait, "jpeg"))
    (folder / "wall.png").write_bytes(encode(np.full((100, 100, 3), 77, np.uint8)))
    (folder / "broken.jpg").write_bytes((folder / "portrait.jpg").read_bytes()[:5_000])
    return folder


@pytest.fixture
def album(pictures, tmp_path):
    """A folder of four aligned faces."""
    folder = tmp_path / "album"
    folder.mkdir()
    for i in range(4):
        (folder / f"{i}.png").write_bytes((pictures / f"face{i}.png").read_bytes())
    return folder


@pytest.fixture
def checkpoint(heirloom, album, tmp_path):
    """A subject checkpoint of the tiny prior, tuned on timesteps below 20."""
    path = tmp_path / "alice.safetensors"
    numbers = ("--iterations", 3, "--learning-rate", 0.002, "--seed", 7)
    code, _, err = heirloom("tune", album, "-o", path, "--aligned", *numbers)
    assert code == 0, err
    return path
