"""A stand-in for the decode pool, which has tests of its own: starting a process a test would cost minutes."""

from typing import Any, Self

import numpy as np

from core.imaging.opening import Limits
from core.imaging.original.reading import working_copy


class DecodesHere:
    """Decodes in this process, as the pool does in its own."""

    def __init__(self, *_: Any, **__: Any) -> None:
        """Whatever a pool takes."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def working(self, data: bytes, limits: Limits | None = None) -> np.ndarray:
        """See `DecodePool.working`."""
        return working_copy(data, limits)

    def close(self) -> None:
        """Nothing is left."""
