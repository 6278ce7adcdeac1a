"""Means of rows, printed as a table."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import fmean

from benchmarks.rows import Rows


def means(
    rows: Sequence[dict[str, str]], by: Sequence[str], numbers: Sequence[str]
) -> dict[tuple[str, ...], dict[str, float]]:
    """Group rows and average their numbers; empty cells do not count.

    Args:
        rows: cells by column.
        by: columns that name a group.
        numbers: columns to average.

    Returns:
        For each group, in order of appearance: column → mean, and "rows" → how many there are.
    """
    groups: dict[tuple[str, ...], list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in by)].append(row)
    averaged = {}
    for group, members in groups.items():
        cells = {name: [float(row[name]) for row in members if row[name]] for name in numbers}
        averaged[group] = {"rows": float(len(members))} | {name: fmean(v) for name, v in cells.items() if v}
    return averaged


def print_table(
    rows: Rows, prior: str, by: Sequence[str], only: Callable[[dict[str, str]], bool] = lambda _: True
) -> None:
    """Print the means of every number that was measured with a prior.

    Args:
        rows: of a benchmark; every column that is no part of the key is a number.
        prior: the prior's key; other rows are left out.
        by: columns that name a group.
        only: which rows count.
    """
    chosen = [row for row in rows.all() if row["prior"] == prior and only(row)]
    if not chosen:
        return
    numbers = [name for name in chosen[0] if name not in rows.key]
    table = means(chosen, by, numbers)
    widths = [max(len(name), *(len(group[i]) for group in table)) + 2 for i, name in enumerate(by)]
    heads = "".join(f"{name:<{width}}" for name, width in zip(by, widths, strict=True))
    print(heads + f"{'rows':>6}" + "".join(f"{name:>{max(10, len(name) + 2)}}" for name in numbers))
    for group, values in table.items():
        names = "".join(f"{name:<{width}}" for name, width in zip(group, widths, strict=True))
        cells = [f"{values[name]:>{max(10, len(name) + 2)}.3f}" if name in values else " " * 10 for name in numbers]
        print(names + f"{values['rows']:>6.0f}" + "".join(cells))
