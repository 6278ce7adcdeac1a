"""Seconds, memory and TFLOP/s of every stage, beside a matrix product measured in the same process.

    python -m benchmarks.stages --prior adm-256                      # on a GPU: the presets' real sizes, about an hour
    python -m benchmarks.stages --prior starter --fraction 0.2       # on a CPU: a part of the steps, extrapolated

Each stage runs in a process of its own. Rows go to a CSV as they are measured; what is there is not measured again
unless --again. Nothing here says what is fast enough: ratios are against baselines of the same run. TFLOP are counted
from shapes; where 3 × 3 convolutions are computed by Winograd's method (float32 on a CPU), with 2.25 × fewer
multiplications than that, a stage can exceed the matrix product.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.adm256 import ADM_256
from benchmarks.rows import Rows, machine
from benchmarks.stage_runs import STAGES, Settings
from cli.device import Device, Precision, autocast_of, open_device

KEY = ("prior", "device", "precision", "stage", "fraction", "images", "cpu", "cores", "gpu")
NUMBERS = (
    "steps",
    "seconds",
    "setup_seconds",
    "step_seconds",
    "whole_seconds",
    "pflop",
    "whole_pflop",
    "tflop_per_second",
    "matmul_tflop_per_second",
    "peak_mib",
)
METHOD_PFLOP = {"album-batch": 2.1, "album-single": 2.1, "finetune-full": 19.9, "restore-ancestral": 0.11}
"""What method.md, section 5, expects of the paper's preset for 16 images with the 256-pixel network."""
RATIOS = (
    ("album-single", "album-batch", "an album as one batch takes {:.2f} × the time of one by one"),
    ("finetune-full", "finetune-low-rank", "low-rank tuning takes {:.2f} × the time of full tuning"),
    (
        "finetune-full",
        "finetune-full-compiled",
        "compiled tuning takes {:.2f} × the time of plain tuning, compiling included",
    ),
    ("restore-ancestral", "restore-dpm-solver++", "DPM-Solver++ takes {:.2f} × the time of the ancestral chain"),
)

Row = dict[str, str]


def measure_apart(settings: Settings) -> dict[str, object]:
    """Run `benchmarks.stage_runs` in a process of its own.

    Raises:
        RuntimeError: it failed; with the last line it wrote.
    """
    text = json.dumps(vars(settings))
    command = [sys.executable, "-m", "benchmarks.stage_runs", text]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own code
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise RuntimeError(f"{settings.stage} could not be measured: {lines[-1]}")
    measured: dict[str, object] = json.loads(done.stdout.strip().splitlines()[-1])
    return measured


def table(rows: list[Row]) -> str:
    """The last measurement of each stage, in the order of the pipeline, with the ratios below.

    Args:
        rows: of one prior, device, precision, fraction and machine.
    """
    latest = {row["stage"]: row for row in rows}
    heads = f"{'stage':<24}{'steps':>7}{'seconds':>10}{'whole s':>10}{'PFLOP':>9}{'method':>8}"
    lines = [heads + f"{'TFLOP/s':>9}{'of matmul':>11}{'peak MiB':>10}"]
    for stage in (name for name in STAGES if name in latest):
        row = latest[stage]
        cells = f"{stage:<24}{row['steps'] or '-':>7}{_cell(row, 'seconds', 2):>10}{_cell(row, 'whole_seconds', 2):>10}"
        cells += f"{_cell(row, 'whole_pflop', 3):>9}{_expected(row):>8}{_cell(row, 'tflop_per_second', 3):>9}"
        lines.append(cells + f"{_share(row):>11}{_cell(row, 'peak_mib', 0):>10}")
    for baseline, stage, sentence in RATIOS:
        if baseline in latest and stage in latest:
            seconds = [float(latest[name]["whole_seconds"]) for name in (stage, baseline)]
            lines.append(sentence.format(seconds[0] / seconds[1]))
    return "\n".join(lines)


def _cell(row: Row, name: str, digits: int) -> str:
    return f"{float(row[name]):.{digits}f}" if row[name] else "-"


def _expected(row: Row) -> str:
    known = row["prior"] == ADM_256 and row["images"] == "16"
    return str(METHOD_PFLOP.get(row["stage"], "-")) if known else "-"


def _share(row: Row) -> str:
    if not row["tflop_per_second"]:
        return "-"
    return f"{float(row['tflop_per_second']) / float(row['matmul_tflop_per_second']):.0%}"


def default_stages(device: str) -> tuple[str, ...]:
    """Every stage; compiling is for GPUs."""
    return tuple(stage for stage in STAGES if device == "cuda" or not stage.endswith("-compiled"))


def main(
    prior: Annotated[str, typer.Option(help="`adm-256` (random weights), or a prior's name or folder.")] = ADM_256,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.AUTO,
    precision: Annotated[Precision, typer.Option(help="How precisely.")] = Precision.AUTO,
    fraction: Annotated[float, typer.Option(min=0.0, max=1.0, help="Of the preset's steps.")] = 1.0,
    images: Annotated[int, typer.Option(min=1, max=256, help="Of the album.")] = 16,
    stages: Annotated[list[str] | None, typer.Option("--stage", help=f"Only these of {', '.join(STAGES)}.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Measure what was measured before.")] = False,
    output: Annotated[Path, typer.Option("-o", "--output", help="The CSV.")] = Path("benchmarks/out/stages.csv"),
) -> None:
    """Measure the stages that are not measured yet, and print the table."""
    where = open_device(device)
    exact = "fp32" if autocast_of(precision, where) is None else "bf16"
    chosen = tuple(stages or default_stages(where.type))
    if unknown := [stage for stage in chosen if stage not in STAGES]:
        raise typer.BadParameter(f"there is no stage {', '.join(unknown)}; there are {', '.join(STAGES)}")
    rows = Rows(output, KEY)
    about = machine()
    failures = []
    for stage in chosen:
        settings = Settings(prior, where.type, exact, stage, fraction, images)
        key = {name: (vars(settings) | about)[name] for name in KEY}
        if rows.has(**key) and not again:
            continue
        print(f"measuring {stage} …", file=sys.stderr, flush=True)
        try:
            measured = measure_apart(settings)
        except RuntimeError as error:
            failures.append(str(error))
            continue
        rows.add({name: measured.get(name) for name in (*vars(settings), *NUMBERS)} | about)
    same = {"prior": prior, "device": where.type, "precision": exact, "fraction": str(fraction), "images": str(images)}
    same |= {name: about[name] for name in ("cpu", "cores", "gpu")}
    print(f"{prior} on {about['gpu'] if where.type == 'cuda' else about['cpu']}, {exact}, fraction {fraction:g}")
    print(table([row for row in rows.all() if all(row[name] == value for name, value in same.items())]))
    for failure in failures:
        print(failure, file=sys.stderr)
    if failures:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
