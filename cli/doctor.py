"""`heirloom doctor`: what works here, what is missing, what to do."""

import importlib.metadata
import importlib.util
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cli.device import INSTALL
from cli.doctor_service import blobs_have_room, broker_works, database_works, settings_work
from cli.progress import console
from cli.settings import home, prior_name
from core.domain.errors import HeirloomError
from core.settings import read_settings

OUR_PACKAGES = ("core", "api", "worker", "cli", "migrations")
NEEDED_DISK_BYTES = 2**30
COMPUTING = ("diffusers", "peft")
"""Beside torch, what the extra `worker` brings."""
LIBRARIES = ("safetensors", "opencv-python-headless", "dlib-bin", "pillow")


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        name: what was looked at.
        ok: whether it works.
        detail: what was seen; where not ok, what to do.
    """

    name: str
    ok: bool
    detail: str


def doctor_command(
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable on standard output.")] = False,
) -> None:
    """Say what works on this machine, what is missing, and what to do about it."""
    findings = [_guarded(name, check) for name, check in CHECKS.items()]
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            mark = "[green]ok[/]     " if finding.ok else "[red]missing[/]"
            console.print(
                f"{mark} [bold]{finding.name:<12}[/] {escape(finding.detail)}", highlight=False, soft_wrap=True
            )
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _guarded(name: str, check: Callable[[], tuple[bool, str]]) -> Finding:
    try:
        ok, detail = check()
    except HeirloomError as error:
        ok, detail = False, str(error)
    return Finding(name, ok, detail)


def _is_of_the_api_alone() -> bool:
    """Whether this is a server's installation without the extra `worker`, as in the API's image: whole as it is."""
    if any(_is_importable(name) for name in ("torch", *COMPUTING)):
        return False
    try:
        return not read_settings().embedded
    except HeirloomError:  # another line says what is wrong with them
        return False


def _is_importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False


def _torch() -> tuple[bool, str]:
    if _is_of_the_api_alone():
        return True, "not installed: this is the API's installation, and workers compute"
    try:
        import torch
    except ImportError:
        return False, f"not installed, and nothing can be restored without it: {INSTALL}."
    threads = torch.get_num_threads()
    return True, f"{torch.__version__}, {threads} CPU threads"


def _device() -> tuple[bool, str]:
    if _is_of_the_api_alone():
        return True, "none is needed here"
    try:
        import torch
    except ImportError:
        return False, "unknown without torch."
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        return True, f"cuda: {properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    if torch.backends.mps.is_available():
        return True, "mps"
    return True, "cpu: the quick recipes are meant for it; the paper's recipes want a GPU"


def _libraries() -> tuple[bool, str]:
    absent = []
    versions = []
    for name in (*(() if _is_of_the_api_alone() else COMPUTING), *LIBRARIES):
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            absent.append(name)
    if absent:
        return False, f"{', '.join(absent)} not installed: {INSTALL}."
    return True, ", ".join(versions)


def _faces() -> tuple[bool, str]:
    from core.imaging.faces.open import FinderChoice
    from core.imaging.models import detector, landmark_predictor

    detector()
    landmark_predictor()
    settings = read_settings()
    finder = FinderChoice(settings.face_finder, settings.yunet_model)
    finder.check()
    also = "" if finder.name == "dlib" else "; faces are recognised with dlib, whose point model's terms exclude that"
    use = "commercial use is allowed" if finder.licence.commercial_use else "no commercial use"
    return True, f"{finder.name}: {finder.licence.licence} ({use}{also})"


def _prior() -> tuple[bool, str]:
    from core.priors.hashing import file_sha256
    from core.priors.licence import check_licence, licence_line
    from core.priors.locate import describe_prior, locate_prior
    from core.priors.spec import PRIOR_FILE, WEIGHTS_FILE

    folder = locate_prior(prior_name(), home())
    spec = describe_prior(prior_name(), home())  # of a published folder, from its weights as they are
    ours, weights = (folder / PRIOR_FILE).is_file(), folder / WEIGHTS_FILE
    if ours and (not weights.is_file() or file_sha256(weights) != spec.sha256):
        return False, f"{spec.name}: its weights are not what its description says; pull it again."
    settings = read_settings()
    check_licence(spec, embedded=settings.embedded, accepted=settings.accept_research_prior)
    return True, licence_line(spec)


def _home() -> tuple[bool, str]:
    folder = home()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        return False, f"{folder} is not writable ({error.strerror}); set HEIRLOOM_HOME to a folder that is."
    free = shutil.disk_usage(folder).free
    enough = free > NEEDED_DISK_BYTES
    return enough, f"{folder}, {free / 2**30:.1f} GiB free" + ("" if enough else "; at least 1 GiB is needed.")


def _names() -> tuple[bool, str]:
    owners = importlib.metadata.packages_distributions()
    strangers = sorted({owner for name in OUR_PACKAGES for owner in owners.get(name, [])} - {"heirloom"})
    if strangers:
        return (
            False,
            f"{', '.join(strangers)} also owns our package names; use an environment of its own.",
        )
    where = Path(__file__).parent.parent
    return True, f"heirloom {importlib.metadata.version('heirloom')} in {where}"


CHECKS: dict[str, Callable[[], tuple[bool, str]]] = {
    "heirloom": _names,
    "settings": settings_work,
    "torch": _torch,
    "device": _device,
    "libraries": _libraries,
    "faces": _faces,
    "prior": _prior,
    "home": _home,
    "database": database_works,
    "broker": broker_works,
    "blobs": blobs_have_room,
}
