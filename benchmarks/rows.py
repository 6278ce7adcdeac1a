"""Measurements that survive being stopped: rows of a CSV, each known by its key, so that what is there is not redone.

rows = Rows(Path("benchmarks/out/quality.csv"), key=("photo", "mode", "seed"))
for photo, mode, seed in product(photos, modes, seeds):
    if not rows.has(photo=photo, mode=mode, seed=seed):
        rows.add({"photo": photo, "mode": mode, "seed": seed, "psnr": measure(photo, mode, seed), **machine()})
"""

import csv
import datetime
import io
import os
import platform
from pathlib import Path


class Rows:
    """A CSV that only grows, one flushed line a row.

    The first row decides the columns. A line that a kill cut in half is dropped when the file is opened.
    """

    def __init__(self, path: Path, key: tuple[str, ...]) -> None:
        """Open the file, or begin it with the first row.

        Args:
            path: of the CSV; its folder is made when it is needed.
            key: the columns that say which measurement a row is.

        Raises:
            ValueError: there is a file, and it lacks a column of the key.
        """
        self.path = path
        self.key = key
        self._rows: list[dict[str, str]] = []
        self._columns: list[str] = []
        if path.exists():
            _drop_half_line(path)
            with path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                self._rows = [dict(row) for row in reader]
                self._columns = list(reader.fieldnames or ())
            if self._columns:
                self._check_key(self._columns)

    def has(self, **key: object) -> bool:
        """Whether a row with this key was measured; values are compared as the CSV writes them.

        Raises:
            ValueError: other names than the key's.
        """
        if set(key) != set(self.key):
            raise ValueError(f"a row of {self.path.name} is known by {', '.join(self.key)}, not by {', '.join(key)}")
        wanted = {name: _text(value) for name, value in key.items()}
        return any(all(row[name] == value for name, value in wanted.items()) for row in self._rows)

    def add(self, row: dict[str, object]) -> None:
        """Append a row and flush it; a second row of the same key stands beside the first.

        Args:
            row: a value for every column of the key, and for any others; columns that are left out stay empty.

        Raises:
            ValueError: a column that the file does not have, or none for a part of the key.
        """
        self._check_key(list(row))
        new = not self._columns
        columns = self._columns or list(row)
        if unknown := [name for name in row if name not in columns]:
            raise ValueError(
                f"{self.path} has no column {', '.join(unknown)}: it was written by another version of this benchmark. "
                "Move the file away, or write to another one."
            )
        texts = {name: _text(row.get(name)) for name in columns}
        line = io.StringIO()
        writer = csv.DictWriter(line, columns, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(texts)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", newline="", encoding="utf-8") as file:
            file.write(line.getvalue())
            file.flush()
            os.fsync(file.fileno())
        self._columns = columns
        self._rows.append(texts)

    def all(self) -> list[dict[str, str]]:
        """Every row, in the order it was measured."""
        return [dict(row) for row in self._rows]

    def _check_key(self, columns: list[str]) -> None:
        if missing := [name for name in self.key if name not in columns]:
            raise ValueError(f"a row of {self.path} needs the column {', '.join(missing)}")


def _text(value: object) -> str:
    """A value as its cell: one line, so that an incomplete line is an incomplete row."""
    return "" if value is None else " ".join(str(value).splitlines())


def _drop_half_line(path: Path) -> None:
    """Cut the file after its last whole line."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("r+b") as file:
            file.truncate(whole)


def machine() -> dict[str, str]:
    """What measured, and when: `cpu`, `cores` (usable ones), `gpu` (or "none"), `torch` and `date`."""
    import torch  # here: rows alone need no torch

    return {
        "cpu": _cpu_model(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "torch": torch.__version__,
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
