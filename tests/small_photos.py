"""Photos of eight pixels, each different: for tests that store and count them and never look."""

import io
import zipfile
from functools import cache

import numpy as np

from core.imaging.intake import encode


@cache
def photo(number: int = 0, file_format: str = "png") -> bytes:
    """A photo; another for each number."""
    pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return encode(pixels, file_format)


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """One zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def zip_of(numbers: range) -> bytes:
    """A zip of photos."""
    return zipped({f"photo-{number}.png": photo(number) for number in numbers})
