"""Picture sheets: rows of crops side by side, with a heading over each column. To be looked at, not published."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from core.imaging.files import write_atomically
from core.imaging.intake import encode
from core.imaging.resize import resize

_HEADING_PIXELS = 22


def write_sheet(path: Path, headings: Sequence[str], rows: Sequence[Sequence[np.ndarray]], side: int = 192) -> None:
    """Write a sheet.

    Args:
        path: of the PNG; its folder is made where absent.
        headings: one for each column.
        rows: of square pictures, [S, S, 3] uint8 of any S; as many in each row as there are headings.
        side: each picture's side in the sheet, in pixels.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    body = [np.hstack([resize(picture, side) for picture in row]) for row in rows]
    write_atomically(path, encode(np.vstack([_heading(headings, side), *body])))


def _heading(headings: Sequence[str], side: int) -> np.ndarray:
    strip = np.full((_HEADING_PIXELS, side * len(headings), 3), 255, np.uint8)
    for column, text in enumerate(headings):
        place = (column * side + 4, _HEADING_PIXELS - 6)
        cv2.putText(strip, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return strip
