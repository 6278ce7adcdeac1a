import json
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
import torch
from safetensors import safe_open
from typer.main import get_command

from cli.main import app
from core.imaging.intake import encode
from core.priors.locate import STARTER_FOLDER, load_prior
from core.priors.spec import PRIOR_FILE, WEIGHTS_FILE
from core.priors.training import trainer
from core.priors.training.recipe import TrainingRecipe, allowed_range

STATE = "state.safetensors"
COMMAND = "from cli.main import main; main()"


@pytest.fixture
def album(tmp_path):
    """Ten pictures of noise."""
    folder = tmp_path / "album"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for i in range(10):
        (folder / f"{i}.png").write_bytes(encode(generator.integers(0, 256, (20, 24, 3), np.uint8)))
    return folder


def small(album, output, *more):
    """A training of the tiny prior that takes a moment."""
    return [
        "models",
        "train",
        album,
        "-o",
        output,
        "--from",
        "tiny",
        "--batch",
        2,
        "--held-out",
        3,
        "--steps",
        3,
        *more,
    ]


def test_the_report_for_programs_is_all_of_standard_output(heirloom, album, tmp_path):
    (album / "broken.png").write_bytes(b"not a picture")
    code, out, err = heirloom(*small(album, tmp_path / "prior", "--json"))
    report = json.loads(out)
    assert code == 0
    assert report["prior"]["sha256"] == load_prior(str(tmp_path / "prior"), tmp_path).spec.sha256
    assert (report["recipe"]["steps"], report["measured"]["step"], report["broken"]) == (3, 3, ["broken.png"])
    assert "step 3/3" not in err


def test_a_prior_is_trained_from_nothing_on_any_folder_and_the_same_command_again_changes_nothing(
    heirloom, album, tmp_path
):
    output = tmp_path / "new" / "prior"
    command = ["models", "train", album, "-o", output, "--resolution", 16, "--steps", 2, "--batch", 2, "--held-out", 2]
    command += ["--name", "mine", "--category", "noise", "--licence", "all mine", "--source", "Made up.", "--seed", 3]
    code, out, err = heirloom(*command)
    assert (code, out) == (0, ""), err
    assert "8 images to train on, 2 held out." in err
    prior = load_prior(str(output), tmp_path)
    assert f"Prior 'mine' stands in {output}; its hash is {prior.spec.sha256[:12]}." in err
    assert (prior.spec.resolution, prior.spec.category, prior.spec.licence) == (16, "noise", "all mine")
    assert {"samples.png", "held_out.png", "curve.png", "training.csv", "README.md", STATE} <= {
        path.name for path in output.iterdir()
    }
    code, _, err = heirloom(*command)
    assert code == 0
    assert prior.spec.sha256[:12] in err
    assert load_prior(str(output), tmp_path).spec == prior.spec


def test_a_prior_goes_on_from_another_one(heirloom, album, tmp_path):
    code, _, err = heirloom(*small(album, tmp_path / "out", "--precision", "bf16"))
    assert code == 0, err
    spec = load_prior(str(tmp_path / "out"), tmp_path).spec
    assert (spec.resolution, spec.schedule.steps, spec.name) == (16, 50, "trained")


def test_ctrl_c_keeps_the_state_and_the_same_command_goes_on_to_the_same_weights(heirloom, album, tmp_path):
    steps = 100
    stopped, whole = (
        small(album, tmp_path / name, "--steps", steps, "--measure-every", steps, "--save-every", seconds)
        for name, seconds in (("stopped", 0), ("whole", 300))
    )
    process = subprocess.Popen(  # noqa: S603  # our own command
        [sys.executable, "-c", COMMAND, *map(str, stopped)], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (tmp_path / "stopped" / STATE).exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Stopped. Run the same command again to go on from here." in " ".join(err.split())
    assert "Traceback" not in err
    with safe_open(tmp_path / "stopped" / STATE, framework="np") as state:
        assert 1 <= int(state.metadata()["step"]) < steps
    assert not (tmp_path / "stopped" / WEIGHTS_FILE).exists()
    for command in (stopped, whole):
        assert heirloom(*command)[0] == 0
    one, two = ((tmp_path / name / WEIGHTS_FILE).read_bytes() for name in ("stopped", "whole"))
    assert one == two


def test_a_zip_is_read_in_place_and_broken_pictures_are_named(heirloom, album, tmp_path):
    (album / "broken.png").write_bytes((album / "0.png").read_bytes()[:100])
    with zipfile.ZipFile(tmp_path / "album.zip", "w") as archive:
        for path in album.iterdir():
            archive.write(path, path.name)
    code, _, err = heirloom(*small(tmp_path / "album.zip", tmp_path / "out"))
    assert code == 0, err
    assert "left out broken.png: it cannot be decoded" in err
    assert "7 images to train on, 3 held out." in err


def test_only_the_named_sources_are_held_out(heirloom, album, tmp_path):
    (tmp_path / "index.csv").write_text("file,source\n" + "".join(f"{i}.png,{'ab'[i % 2]}\n" for i in range(10)))
    index = ["--index", tmp_path / "index.csv", "--hold-out-source", "a"]
    assert heirloom(*small(album, tmp_path / "out", *index, "--held-out", 5))[0] == 0
    code, _, err = heirloom(*small(album, tmp_path / "other", *index, "--held-out", 6))
    assert code == 3
    assert "10 images were found, 5 of which can be held out; 6 are to be." in err


OUT_OF_RANGE = {
    "--steps": [0, 10_000_001],
    "--batch": [0, 4_097],
    "--learning-rate": [0, 0.011, "nan", "inf"],
    "--warmup-steps": [-1, 100_001],
    "--decay-fraction": [-0.1, 1.1],
    "--ema-decay": [-0.1, 1],
    "--min-snr": [-1, 1_001],
    "--low-fraction": [-0.1, 1.1],
    "--low-below": [0, 10_001],
    "--precision": ["fp16"],
    "--held-out": [-1, 100_001],
    "--seed": [-1, 2**62 + 1],
}
OTHERS = {
    "--resolution 100": "resolution is 100, allowed is 16, 32, 48 … 1024.",
    "--resolution 0": "resolution is 0, allowed is 16, 32, 48 … 1024.",
    "--resolution 1040": "resolution is 1040, allowed is 16, 32, 48 … 1024.",
    "--measure-every 0": "measure_every is 0, allowed is at least 1.",
    "--save-every -1": "save_every is -1.0, allowed is at least 0.",
    "--save-every nan": "save_every is nan, allowed is at least 0.",
}


def test_every_number_out_of_range_is_refused_before_torch_is_loaded_or_a_picture_read(tmp_path):
    wrong = [f"{option} {value}" for option, values in OUT_OF_RANGE.items() for value in values]
    commands = {
        text: ["models", "train", str(tmp_path / "absent"), "-o", str(tmp_path / "out"), *text.split()]
        for text in [*wrong, *OTHERS]
    }
    code = (
        "import contextlib, io, json, sys\n"
        "from cli import main\n"
        "found = {}\n"
        "for text, command in json.loads(sys.argv[1]).items():\n"
        "    sys.argv, said = ['heirloom', *command], io.StringIO()\n"
        "    main.fail.__globals__['console'].file = said\n"
        "    with contextlib.redirect_stderr(said):\n"
        "        try:\n"
        "            main.main()\n"
        "        except SystemExit as ended:\n"
        "            found[text] = (ended.code, said.getvalue())\n"
        "json.dump([found, 'torch' in sys.modules], sys.stdout)\n"
    )
    done = subprocess.run(  # noqa: S603  # our own code
        [sys.executable, "-c", code, json.dumps(commands)], capture_output=True, text=True, check=True
    )
    found, torch_loaded = json.loads(done.stdout)
    assert not torch_loaded
    assert found.keys() == commands.keys()
    for text, (exit_code, said) in found.items():
        assert exit_code == 2, (text, said)
        said = " ".join(said.split())
        name = text.split()[0][2:].replace("-", "_")
        expected = OTHERS[text] if text in OTHERS else f"allowed is {allowed_range(name)}."
        assert expected in said, text
    assert not (tmp_path / "out").exists()


def test_help_states_every_range_that_is_refused():
    options = get_command(app).commands["models"].commands["train"].params
    told = {option.name: option.help for option in options}
    checked = {option[2:].replace("-", "_") for option in OUT_OF_RANGE}
    assert checked == TrainingRecipe.model_fields.keys() & told.keys() - {"flips"}
    assert all(allowed_range(name) in told[name] for name in checked)
    assert told["resolution"].endswith("16, 32, 48 … 1024.")
    assert told["save_every"].endswith("at least 0.")
    assert told["measure_every"].endswith("at least 1.")


WRONG = {
    "an absent folder": (["{t}/absent"], 3, "absent does not exist. Name a folder or a zip of images."),
    "a folder without images": (["{t}/empty"], 3, "No images were found."),
    "something that is no zip": (["{a}/0.png"], 3, "0.png is not a zip that can be read."),
    "too few to hold out": (
        ["{a}", "--held-out", "11"],
        3,
        "10 images were found, 10 of which can be held out; 11 are",
    ),
    "all held out": (["{a}", "--held-out", "10"], 3, "No image is left to train on: 10 are held out"),
    "an unknown prior": (["{a}", "--from", "tinny"], 4, "Did you mean 'tiny'?"),
    "no such device": (["{a}", "--device", "mps"], 1, "There is no mps device here."),
    "an absent index": (
        ["{a}", "--index", "{t}/i.csv", "--hold-out-source", "a"],
        3,
        "i.csv is not an index of images.",
    ),
    "an index without a source": (["{a}", "--index", "{t}/i.csv"], 3, "say nothing without each other. Give both"),
    "a source without an index": (["{a}", "--hold-out-source", "a"], 3, "say nothing without each other. Give both"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use_is_one_line_with_what_to_do(heirloom, album, tmp_path, name):
    (tmp_path / "empty").mkdir()
    arguments, expected_code, words = WRONG[name]
    arguments = [argument.format(a=album, t=tmp_path) for argument in arguments]
    more = [] if "--from" in arguments else ["--from", "tiny"]
    code, out, err = heirloom("models", "train", "-o", tmp_path / "out", "--held-out", 2, *more, *arguments)
    assert (code, out) == (expected_code, ""), err
    assert words in err
    assert "Traceback" not in err
    assert not list((tmp_path / "out").glob("*"))


def test_an_output_that_cannot_be_is_said_before_anything_is_read(heirloom, album, tmp_path):
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        code, _, err = heirloom(*small(tmp_path / "absent", output))
        assert code == 6, err
        assert "cannot be written" in err


@pytest.mark.parametrize("way", ["name", "path", "link"])
def test_the_prior_that_a_training_starts_from_is_never_its_output(heirloom, album, tmp_path, home, way):
    folder = home / "priors" / "tiny"
    (tmp_path / "link").symlink_to(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    start = {"name": "tiny", "path": folder, "link": tmp_path / "link"}[way]
    code, out, err = heirloom(*small(album, folder, "--from", start))
    assert (code, out) == (2, "")
    assert f"{folder} holds the prior that --from names, and would be overwritten. Name another folder with -o." in err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_the_starter_is_never_a_training_s_output(heirloom, album):
    before = (STARTER_FOLDER / PRIOR_FILE).read_bytes()
    # Absent pictures: should the guard fail, the training fails before it writes into the shipped folder.
    code, _, err = heirloom(*small(album / "absent", STARTER_FOLDER))
    assert code == 2
    assert "holds the starter prior that Heirloom ships with. Name another folder with -o." in err
    assert (STARTER_FOLDER / PRIOR_FILE).read_bytes() == before


def test_other_numbers_in_the_same_folder_are_refused(heirloom, album, tmp_path):
    assert heirloom(*small(album, tmp_path / "out"))[0] == 0
    before = (tmp_path / "out" / PRIOR_FILE).read_bytes()
    code, _, err = heirloom(*small(album, tmp_path / "out", "--seed", 1))
    assert code == 5
    assert "Choose another folder with -o, or give the numbers it was begun with." in err
    assert (tmp_path / "out" / PRIOR_FILE).read_bytes() == before


def test_too_little_memory_says_what_to_change(heirloom, album, tmp_path, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

    monkeypatch.setattr(trainer, "_draw", full)  # only a GPU runs out of memory with this error
    code, _, err = heirloom(*small(album, tmp_path / "out"))
    assert code == 7
    assert err.endswith("error The device has too little memory for 2 images a step. Choose a smaller --batch.")
