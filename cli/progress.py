"""Progress bars with an ETA that is measured, not guessed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

if TYPE_CHECKING:
    from core.priors.diffusers_unet import UNetPrior
    from core.recipes.schema import Recipe

console = Console(stderr=True)
"""People's text goes to standard error; standard output is for `--json` and paths."""


class MeasuredRemaining(ProgressColumn):
    """Time left, from the mean of the steps done by this process; nothing before two steps are measured."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        """See rich's `ProgressColumn`."""
        resumed_at = float(task.fields.get("resumed_at", 0))
        done = task.completed - resumed_at
        if task.finished or task.total is None or done < 2 or task.elapsed is None:
            return Text("")
        left = task.elapsed / done * (task.total - task.completed)
        return Text(f"about {duration(left)} left", style="cyan")


def duration(seconds: float) -> str:
    """Seconds as people say them, e.g. "8 s", "2 min 05 s", "1 h 04 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def print_run(recipe: "Recipe", prior: "UNetPrior", seed: int) -> None:
    """Say what decides a run's outcome, for `--verbose`."""
    spec = prior.spec
    about = f"recipe {recipe.name}, prior {spec.name} {spec.sha256[:12]}, seed {seed}, device {prior.device}"
    console.print(about, highlight=False, soft_wrap=True)


def print_seconds(seconds: dict[str, float]) -> None:
    """Say how long each stage took, for `--verbose`; what the store held already is left out."""
    console.print("  ".join(f"{stage} {duration(value)}" for stage, value in seconds.items() if value), highlight=False)


def new_progress(quiet: bool) -> Progress:
    """A bar on standard error; without a terminal it stays silent."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        MeasuredRemaining(),
        console=console,
        transient=False,
        disable=quiet or not sys.stderr.isatty(),
    )


@contextmanager
def working(description: str, quiet: bool) -> Iterator[None]:
    """A moving bar and a clock for work that cannot say how much of it is left."""
    with new_progress(quiet) as progress:
        progress.add_task(description, total=None)
        yield


class StageBars:
    """The pipeline's `Progress` port as bars: one per stage, for the item in hand, or over items that are a step each.

    Where standard error is no terminal, each finished stage prints one line instead.
    """

    def __init__(self, quiet: bool = False) -> None:
        """Bars on standard error, unless `quiet`."""
        self._progress = new_progress(quiet)
        self._quiet = quiet
        self._current: tuple[str, str] | None = None
        self._done = 0
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "StageBars":
        """Start drawing."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop drawing."""
        self._progress.stop()

    def report(self, stage: str, item: str, done: int, total: int) -> None:
        """See `core.pipeline.ports.Progress`."""
        description = f"{stage:<9} {item}"
        counts_items = self._current is not None and self._current[0] == stage and done == self._done + 1
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(description, total=total, resumed_at=done)
        elif self._current != (stage, item) and not counts_items:
            self._progress.reset(self._tasks[stage], total=total, description=description, resumed_at=done)
        self._current, self._done = (stage, item), done
        self._progress.update(self._tasks[stage], completed=done, total=total, description=description)
        if done == total and self._progress.disable and not self._quiet:
            console.print(f"{stage} {item}: done", highlight=False)
