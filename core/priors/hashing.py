"""A file's identity. Torch-free: downloads and descriptions need it too."""

import hashlib
from pathlib import Path


def file_sha256(path: Path) -> str:
    """The hash of a file's bytes, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
