"""What the documents say is what the code does: generated tables, links, command lines, JSON."""

import hashlib
import json
import re
import shlex
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pytest
from skimage.data import astronaut

from cli.doctor import Finding
from cli.main import main
from cli.models import _row
from cli.recipes import _as_json
from core.imaging.intake import encode
from core.priors.catalog import CATALOG
from core.priors.spec import WEIGHTS_FILE, LinearScheduleSpec, PriorSpec, write_spec
from core.priors.weights import weights_bytes
from core.recipes.presets import PRESETS
from docs.generate import REFERENCE, SECTIONS, command_tree, rendered
from tests.fakes import tiny_prior
from tests.one_face import aligned_faces

ROOT = Path(__file__).resolve().parents[2]
LEFT_BY_RUNS = {"out", "runs", "dist", "build"}
PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part in LEFT_BY_RUNS for part in page.relative_to(ROOT).parts)
)
COMMANDS = command_tree()
GROUPS = {name.partition(" ")[0] for name in COMMANDS if " " in name}


def names(pages):
    return [str(page.relative_to(ROOT)) for page in pages]


def without_code(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page):
    """The places that a page's headings make, as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", without_code(page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def documented_commands(page):
    """Whole command lines of a page's code blocks, and the options that its running text names."""
    text = page.read_text()
    blocks = re.findall(r"^```.*?\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    whole = [re.sub(r"^(\$ )?(\.venv/bin/)?", "", line) for line in lines]
    spans = [" ".join(span.split()) for span in re.findall(r"`(heirloom [^`]+)`", without_code(text))]
    return [line for line in whole if line.startswith("heirloom ")], spans


def parted(line):
    """A command line → the command's name, the command, and its arguments."""
    words = shlex.split(line, comments=True)[1:]
    for length in (2, 1):
        name = " ".join(words[:length])
        if name in COMMANDS:
            return name, COMMANDS[name], words[length:]
    pytest.fail(f"{line!r} names no command")


def json_example(name):
    found = re.search(rf"<!-- json: {name} -->\n```json\n(.*?)\n```", (REFERENCE / "cli.md").read_text(), re.DOTALL)
    return json.loads(found[1])


def keys(value):
    """The shape of a JSON value: keys inside keys; of a list, its first entry's."""
    if isinstance(value, list):
        return [keys(value[0])] if value else []
    return {key: keys(inner) for key, inner in value.items()} if isinstance(value, dict) else None


@pytest.mark.parametrize("page", sorted(REFERENCE.glob("*.md")), ids=lambda page: page.name)
def test_the_generated_tables_are_what_the_code_gives(page):
    assert page.read_text() == rendered(page.read_text()), "run `python -m docs.generate`"


def test_every_generated_table_stands_somewhere():
    text = "".join(page.read_text() for page in REFERENCE.glob("*.md"))
    assert set(re.findall(r"<!-- generated: (\S+) -->", text)) == set(SECTIONS)


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_every_relative_link_leads_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text()))
    for link in links:
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_every_command_line_is_one_that_the_command_takes(page):
    whole, spans = documented_commands(page)
    for line in whole:
        if "|" in line:
            continue  # a list of alternatives, not a command line
        name, command, arguments = parted(line)
        if "--help" not in arguments:
            command.make_context(name, arguments)  # raises where an option does not exist, or an argument is missing
    for span in spans:
        if span.removeprefix("heirloom ") in GROUPS or not span.split()[1].isalpha() or span.split()[1].isupper():
            continue  # a group, `heirloom --help`, `heirloom COMMAND`
        _, command, arguments = parted(span)
        options = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help"}
        assert {word for word in arguments if word.startswith("-")} <= options, span


def test_the_drawn_tree_names_every_package():
    drawn = (ROOT / "ARCHITECTURE.md").read_text().partition("## The tree")[2].partition("## ")[0]
    packages = {
        path.parent
        for part in ("core", "api", "worker", "migrations", "cli", "benchmarks", "docs")
        for path in (ROOT / part).rglob("__init__.py")
    }
    assert all(f"{package.name}/" in drawn for package in packages), packages


def test_a_command_line_with_a_wrong_option_would_be_found():
    _, command, arguments = parted("heirloom tune album.zip -o alice.safetensors --no-such-option")
    with pytest.raises(Exception, match="no-such-option"):
        command.make_context("tune", arguments)


@pytest.fixture
def heirloom(tmp_path, monkeypatch, capsys):
    """Run the command with a tiny prior of a thousand steps, and read the JSON it prints."""
    folder = tmp_path / "home" / "priors" / "tiny"
    folder.mkdir(parents=True)
    prior = tiny_prior(schedule=LinearScheduleSpec())
    weights = weights_bytes(prior.network.state_dict())
    (folder / WEIGHTS_FILE).write_bytes(weights)
    write_spec(folder, prior.spec.model_copy(update={"sha256": hashlib.sha256(weights).hexdigest()}))
    monkeypatch.setenv("HEIRLOOM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HEIRLOOM_PRIOR", "tiny")
    monkeypatch.delenv("HEIRLOOM_DEFAULT_RECIPE", raising=False)

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["heirloom", *(str(argument) for argument in arguments), "--json"])
        with pytest.raises(SystemExit):
            main()
        return json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def album(tmp_path):
    folder = tmp_path / "album"
    folder.mkdir()
    for i, face in enumerate(aligned_faces(8, 128)):
        (folder / f"{i}.png").write_bytes(encode(face))
    return folder


def test_restore_prints_the_json_that_is_documented(heirloom, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(encode(np.ascontiguousarray(astronaut()[:300, 80:380]), "jpeg"))
    arguments = ("--mode", "direct", "-k", "4", "-o", tmp_path / "restored.png")
    printed = heirloom("restore", tmp_path / "photo.jpg", *arguments)
    assert keys(printed) == keys(json_example("restore"))


def test_tune_prints_the_json_that_is_documented(heirloom, album, tmp_path):
    printed = heirloom("tune", album, "--aligned", "--iterations", "1", "-o", tmp_path / "one.safetensors")
    documented = json_example("tune")
    for report in (printed, documented):
        report["album"]["coverage"] = dict.fromkeys(report["album"]["coverage"])  # its kinds differ between albums
    assert keys(printed) == keys(documented)


def test_verify_prints_the_json_that_is_documented(heirloom):
    assert keys(heirloom("models", "verify", "tiny")) == keys(json_example("models verify"))


def test_info_prints_the_json_that_is_documented(heirloom):
    documented = json_example("models info")
    assert keys(heirloom("models", "info", "tiny"))["prior"].keys() == documented["prior"].keys()
    assert documented["prior"].keys() == PriorSpec.model_fields.keys()
    assert keys(json.loads(json.dumps(asdict(CATALOG["ddpm-celebahq-256"])))) == keys(documented["catalog"])


def test_the_other_reports_are_the_json_that_is_documented():
    assert json_example("models list")[0].keys() == _row("ddpm-celebahq-256").keys()
    assert keys(json_example("recipes")[0]) == keys(_as_json(PRESETS["direct"]))
    assert list(json_example("doctor")[0]) == [field.name for field in fields(Finding)]
