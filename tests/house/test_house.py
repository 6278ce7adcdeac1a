"""Rules of the house that no linter knows."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from statistics import median

import pytest

from tests.tracked import tracked_files

ROOT = Path(__file__).resolve().parents[2]
OURS = ("core", "api", "worker", "migrations", "cli")
SOURCES = sorted(path for package in (*OURS, "benchmarks") for path in (ROOT / package).rglob("*.py"))


def test_no_file_is_longer_than_four_hundred_lines_and_most_are_short():
    lengths = {path: len(path.read_text().splitlines()) for path in SOURCES if path.name != "__init__.py"}
    assert max(lengths.values()) <= 400, max(lengths, key=lengths.get)
    assert median(lengths.values()) <= 120
    assert sum(length <= 300 for length in lengths.values()) >= 0.9 * len(lengths)


@pytest.mark.parametrize(
    "module",
    [
        "core.recipes.presets",
        "core.imaging.intake",
        "core.imaging.align",
        "core.priors.catalog",
        "core.priors.locate",
        "core.priors.licence",
        "core.storage.open",
        "migrations.run",
        "api.app",
        "worker.app",
    ],
)
def test_what_the_web_side_uses_does_not_load_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0  # noqa: S603  # our own code


def test_asking_for_help_does_not_wait_for_torch():
    code = "import sys; import cli.main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0  # noqa: S603  # our own code


def test_no_other_distribution_owns_our_package_names():
    import importlib.metadata

    owners = importlib.metadata.packages_distributions()
    assert {owner for name in OURS for owner in owners.get(name, [])} <= {"heirloom"}


def test_there_are_no_drawers():
    names = {part for path in SOURCES for part in (path.stem, path.parent.name)}
    assert not names & {"utils", "util", "helpers", "misc", "common"}


def test_no_assert_guards_against_a_user():
    for path in SOURCES:
        asserts = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Assert)]
        assert not asserts, path


def test_the_wheel_names_its_packages_and_they_exist():
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
        "packages"
    ]
    assert all((ROOT / package / "__init__.py").is_file() for package in packages)


def test_the_readme_s_commands_exist():
    from typer.main import get_command

    from cli.main import app

    commands = get_command(app).commands
    for line in (ROOT / "README.md").read_text().splitlines():
        if line.startswith("heirloom "):
            assert line.split()[1] in commands, line


def test_no_picture_of_a_person_is_in_the_repository():
    pictures = [name for name in tracked_files() if name.endswith((".jpg", ".jpeg", ".png", ".webp"))]
    ours = ("core/priors/starter/samples.png", "core/priors/starter/curve.png", "docs/")
    assert all(name.startswith(ours) for name in pictures), pictures


def test_looking_at_no_files_is_no_proof_of_anything():
    with pytest.raises(AssertionError, match="git tracks nothing in absent"):
        tracked_files("absent")


def test_nobody_is_told_to_install_heirloom_from_an_index_that_does_not_have_it():
    texts = [*SOURCES, *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]
    told = [str(path) for path in texts if re.search(r"pip install '?heirloom", path.read_text(encoding="utf-8"))]
    assert told == []
