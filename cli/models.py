"""`heirloom models`: which priors there are, fetching, converting and checking them."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from cli.device import Device, Precision, autocast_of, open_device
from cli.progress import console, working
from cli.settings import home
from core.domain.errors import HeirloomError, PriorError, PriorUnavailableError
from core.priors.calibration import read_calibration
from core.priors.catalog import CATALOG, CatalogEntry
from core.priors.locate import describe_prior, installed_priors, locate_prior
from core.priors.pull import Pulled, entry_of, pull_prior
from core.priors.spec import PriorSpec

models_app = typer.Typer(no_args_is_help=True, help="The pretrained models: list, pull, convert, train, verify.")
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable on standard output.")]
_NAME = "A catalog name, a prior under HEIRLOOM_HOME/priors, or a folder."


@models_app.command("list")
def list_command(as_json: AsJson = False) -> None:
    """Show every prior: what is here, what can be pulled, what its licence allows."""
    rows = [_row(name) for name in dict.fromkeys([*CATALOG, *installed_priors(home())])]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    table = Table("name", "here", "pixels", "of", "parameters", "download", "commercial use", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for row in rows:
        table.add_row(
            f"[bold]{row['name']}[/]",
            _state(row),
            str(row["resolution"]),
            row["category"],
            _millions(row["parameters"]),
            "" if row["here"] else _size(row["disk_bytes"]),
            "yes" if row["commercial_use"] else "no",
        )
    console.print(table)
    for row in rows:
        if row["broken"]:
            console.print(f"{row['name']}: {row['broken']}", soft_wrap=True, highlight=False, markup=False)


@models_app.command("info")
def info_command(name: Annotated[str, typer.Argument(help=_NAME)], as_json: AsJson = False) -> None:
    """Show what is known of one prior: source, licence, memory, network."""
    spec, missing = _described(name)
    if missing is not None and (name not in CATALOG or not isinstance(missing, PriorUnavailableError)):
        raise missing
    entry = CATALOG.get(name)
    if as_json:
        catalogued = asdict(entry) if entry else None
        here = spec.model_dump(mode="json") if spec else None
        typer.echo(json.dumps({"name": name, "here": spec is not None, "catalog": catalogued, "prior": here}, indent=1))
        return
    catalogued_lines = _entry_lines(entry) if entry and entry.kind != "packaged" else []
    for label, text in [*catalogued_lines, *(_spec_lines(name, spec) if spec else [])]:
        console.print(f"[bold]{label:<12}[/] {escape(text)}", soft_wrap=True, highlight=False)
    if missing is not None:
        console.print(escape(missing.advice), soft_wrap=True, highlight=False)


@models_app.command("pull")
def pull_command(name: Annotated[str, typer.Argument(help="A catalog name.")], as_json: AsJson = False) -> None:
    """Fetch a published prior; cut off, the same command goes on where it stopped."""
    entry = entry_of(name)
    if entry.kind == "adm":
        open_device(Device.CPU)  # it will be converted: says so where torch is missing, before gigabytes are fetched
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=30), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=as_json or not console.is_terminal) as bars:
        tasks = {file.name: bars.add_task(file.name, total=None, start=False) for file in entry.files}

        def show(file: str, done: int, total: int | None) -> None:
            bars.start_task(tasks[file])
            bars.update(tasks[file], completed=done, total=total)

        pulled = pull_prior(entry, home(), show)
    _report_pulled(entry, pulled, as_json)


@models_app.command("convert")
def convert_command(
    file: Annotated[Path, typer.Argument(help="A guided-diffusion (ADM) checkpoint, .pt.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The prior folder to make.")],
    name: Annotated[str | None, typer.Option(help="Of the prior; default: the folder's.")] = None,
    resolution: Annotated[
        int | None, typer.Option(help="Pixels, 8 to 2048; default: what the network's levels tell.")
    ] = None,
    head_channels: Annotated[
        int | None, typer.Option(help="Channels of an attention head, at least 1; default: one head.")
    ] = None,
    new_attention_order: Annotated[bool, typer.Option(help="Its use_new_attention_order was true.")] = False,
    cosine: Annotated[bool, typer.Option("--cosine", help="Its noise_schedule was cosine, not linear.")] = False,
    steps: Annotated[int, typer.Option(help="Its diffusion_steps, 21 to 10000; cosine: from 2.")] = 1000,
    dropout: Annotated[float, typer.Option(help="While tuning, 0 to 1; the paper's prior uses 0.1.")] = 0.0,
    category: Annotated[str, typer.Option(help="What it is a prior of.")] = "faces",
    licence: Annotated[str, typer.Option(help="Of the weights.")] = "unknown",
    source: Annotated[str, typer.Option(help="Where the weights come from.")] = "",
    full: Annotated[bool, typer.Option("--full", help="Store float32 instead of half precision.")] = False,
    as_json: AsJson = False,
) -> None:
    """Turn a guided-diffusion checkpoint into a prior folder; nothing in it is executed."""
    open_device(Device.CPU)  # says so where torch is missing
    from core.priors.convert import convert_adm

    with working(f"converting {file.name}", quiet=as_json):
        spec = convert_adm(
            file,
            output,
            name=name or output.name,
            resolution=resolution,
            head_channels=head_channels,
            new_attention_order=new_attention_order,
            dropout=dropout,
            noise_schedule="cosine" if cosine else "linear",
            steps=steps,
            category=category,
            licence=licence,
            source=source,
            half=not full,
        )
    if as_json:
        typer.echo(json.dumps({"folder": str(output), "prior": spec.model_dump(mode="json")}, indent=1))
        return
    console.print(f"{output}: {spec.resolution} px, {spec.variance}; `heirloom models verify {output}` tries it.")


@models_app.command("verify")
def verify_command(
    name: Annotated[str, typer.Argument(help=_NAME)] = "starter",
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.AUTO,
    precision: Annotated[Precision, typer.Option(help="How precisely.")] = Precision.AUTO,
    as_json: AsJson = False,
) -> None:
    """Check a prior's hash, keys, shapes and values, and that it takes noise away."""
    where = open_device(device)
    from core.priors.locate import load_prior
    from core.priors.verify import verify_prior

    with working(f"verifying {name}", quiet=as_json):
        prior = load_prior(name, home(), where, autocast_of(precision, where))
        found = verify_prior(prior)
    if as_json:
        numbers = asdict(found) | {"ok": found.ok, "name": prior.spec.name, "sha256": prior.spec.sha256}
        typer.echo(json.dumps(numbers, indent=1))
    else:
        console.print(
            f"[bold]{prior.spec.name}[/]: hash, keys, shapes and values are right ({prior.spec.sha256[:12]}…)"
        )
        console.print(
            f"{_millions(found.parameters)} parameters, {found.forward_seconds * 1000:.0f} ms a call on {where}"
        )
        console.print(f"error of a noisy picture {found.noisy_error:.4f}, after the prior {found.denoised_error:.4f}")
    if not found.ok:
        raise PriorError(
            f"The prior {prior.spec.name!r} does not take noise away.",
            "It was converted with wrong options (attention heads, attention order, schedule), or hardly trained.",
        )


def _row(name: str) -> dict[str, Any]:
    entry, (spec, error) = CATALOG.get(name), _described(name)
    return {
        "name": name,
        "here": spec is not None,
        "broken": None if error is None or isinstance(error, PriorUnavailableError) else str(error),
        "kind": entry.kind if entry else "local",
        "title": entry.title if entry else (spec.source if spec else ""),
        "resolution": spec.resolution if spec else (entry.resolution if entry else None),
        "category": spec.category if spec else (entry.category if entry else ""),
        "parameters": entry.parameters if entry else 0,
        "disk_bytes": entry.needs.disk_bytes if entry else 0,
        "licence": spec.licence if spec else (entry.licence if entry else "unknown"),
        "commercial_use": spec.commercial_use if spec else bool(entry and entry.commercial_use),
        "verified": bool(entry and entry.verified),
    }


def _described(name: str) -> tuple[PriorSpec | None, HeirloomError | None]:
    try:
        return describe_prior(name, home()), None
    except HeirloomError as error:
        return None, error


def _state(row: dict[str, Any]) -> str:
    if row["broken"]:
        return "[red]broken[/]"
    return "[green]yes[/]" if row["here"] else {"by_hand": "by hand"}.get(row["kind"], "pull")


def _entry_lines(entry: CatalogEntry) -> list[tuple[str, str]]:
    needs = entry.needs
    lines = [("name", f"{entry.name}: {entry.title}"), ("page", entry.page), ("paper", entry.paper)]
    lines += [("file", f"{file.url}  sha256 {file.sha256 or 'not published'}") for file in entry.files]
    lines.append(("licence", entry.licence))
    if entry.parameters:
        memory = f"{_size(needs.inference_fp32_bytes)} (fp32), {_size(needs.inference_bf16_bytes)} (bf16)"
        lines.append(("size", f"{_millions(entry.parameters)} parameters, {_size(needs.disk_bytes)} to fetch"))
        lines.append(("memory", f"at least {memory} to restore; {_size(needs.tuning_bytes)} to tune every weight"))
    return [(label, text) for label, text in [*lines, ("notes", entry.notes)] if text]


def _spec_lines(name: str, spec: PriorSpec) -> list[tuple[str, str]]:
    return [
        ("here", f"{spec.name}, {spec.category}, in {locate_prior(name, home())}"),
        ("network", f"{spec.resolution} px, {spec.prediction}, {spec.variance}, {spec.schedule.kind} schedule"),
        ("licence", f"{spec.licence}; {'commercial use allowed' if spec.commercial_use else 'no commercial use'}"),
        ("sha256", spec.sha256),
        ("calibrated", _calibrated(name, spec)),
    ]


def _calibrated(name: str, spec: PriorSpec) -> str:
    calibration = read_calibration(locate_prior(name, home()), spec)
    if calibration is None:
        return f"no; `heirloom models calibrate {name} PHOTOS` does it, for --fidelity auto"
    return f"on {calibration.pictures} pictures{': ' if calibration.source else ''}{calibration.source}"


def _report_pulled(entry: CatalogEntry, pulled: Pulled, as_json: bool) -> None:
    if as_json:
        result = {"folder": str(pulled.folder), "sha256": pulled.sha256, "unverified": list(pulled.unverified)}
        typer.echo(json.dumps(result, indent=1))
        return
    state = "fetched" if pulled.sha256 else "here already"
    console.print(f"{entry.name}: {state}, {pulled.folder}", soft_wrap=True, highlight=False)
    for name in pulled.unverified:
        console.print(f"  {name}: its publisher names no hash; it has {pulled.sha256[name]}", highlight=False)


def _millions(parameters: int) -> str:
    return f"{parameters / 1e6:.1f} M" if parameters else ""


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
