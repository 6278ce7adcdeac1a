"""A process of the decode pool: does one thing at a time for its parent, within limits that the system enforces.

Run as `python -m core.imaging.decode_child MEMORY_BYTES`. It reads pickled calls from its standard input, for they
come from its own parent, and answers on its standard output. The end of the input ends it: a pool never leaves
processes behind, whatever becomes of the parent.
"""

import importlib
import os
import pickle
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from core.domain.errors import HeirloomError
from core.imaging.decode_messages import OUT_OF_MEMORY, Answer, Call
from core.imaging.intake import encode
from core.imaging.original import heic
from core.imaging.original.put_back import put_back
from core.imaging.original.reading import read_original
from core.imaging.original.saving import save

_KINDS: tuple[Literal["png", "jpeg", "webp"], ...] = ("png", "jpeg", "webp")
_OPEN_FILES = 64
_STATM = Path("/proc/self/statm")


def main() -> None:
    """Answer calls until the input ends."""
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not be taken for an answer, and nobody reads its complaints.
    with Path(os.devnull).open("r+b", buffering=0) as nowhere:
        for descriptor in (0, 1, 2):
            os.dup2(nowhere.fileno(), descriptor)
    _warm_up()
    _limit(int(sys.argv[1]))
    try:
        pickle.dump(Answer(), answers)  # ready
        while True:
            answers.flush()
            try:
                call: Call = pickle.load(calls)  # noqa: S301  # our own parent wrote it
            except EOFError:
                return
            _limit_cpu(call.cpu_seconds)
            pickle.dump(_answer(call), answers, protocol=5)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)  # half an answer may have been written: only an end is unmistakable


def _answer(call: Call) -> Answer:
    try:
        function: Callable[..., object] = getattr(importlib.import_module(call.module), call.function)
        return Answer(value=function(*call.arguments))
    except MemoryError:
        raise
    except HeirloomError as error:
        return Answer(error=error)  # pickling leaves the decoder's own exception behind
    except Exception as error:
        return Answer(fault=f"{call.module}.{call.function} raised {type(error).__name__}")


def _warm_up() -> None:
    """Load what decoders load late, so that the memory limit is for photos alone."""
    cv2.setNumThreads(1)
    dot = np.zeros((2, 2, 3), np.uint8)
    for kind in _KINDS:
        save(put_back(read_original(encode(dot, kind)), dot, dot[..., 0]), "tiff")
    if heic.available():
        importlib.import_module("pillow_heif")


def _limit(memory_bytes: int) -> None:
    if _STATM.exists():  # elsewhere than on Linux the address space is not what counts
        used = int(_STATM.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + memory_bytes, used + memory_bytes))
    for limit, value in ((resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, _OPEN_FILES)):
        resource.setrlimit(limit, (value, value))


def _limit_cpu(seconds: int) -> None:
    """For this call: the system counts the whole process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    allowed = int(usage.ru_utime + usage.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (allowed, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    main()
