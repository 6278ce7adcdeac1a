"""Decoding in processes of their own: what a file does to its decoder stays there.

Memory, processor time and files are limited by the system. A photo that goes beyond, or brings its decoder down, ends
one process and is refused by a typed error; a new process takes that one's place, and nobody else's photo notices.
The pool is threads' and processes' to use alike: the API's, and a Celery worker's, whose children may not start
`multiprocessing`'s. It loads no torch. It is a wall against faults, not a jail against attackers.
"""

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import IO, cast

import numpy as np

from core.domain.errors import BadInputError, ImageTooLargeError, ImageUnreadableError, OverloadedError
from core.imaging.decode_messages import OUT_OF_MEMORY, Answer, Call, load_answer
from core.imaging.intake import Limits, decode_photo
from core.imaging.original.photo import Original
from core.imaging.original.reading import read_with_working, working_copy

_ANEW = "Save it anew in another program, or send a smaller copy."
_KEPT_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")
"""Of the parent's variables. The others may hold secrets, which a decoder has no use for."""


@dataclass(frozen=True)
class ProcessLimits:
    """What a process of the pool may use.

    Attributes:
        memory_bytes: on top of what it needs to stand ready.
        cpu_seconds: of processor time a call.
        wall_seconds: by the clock a call.
        max_calls: after which it is replaced, so that no decoder's leak adds up.
    """

    memory_bytes: int = 2**30
    cpu_seconds: int = 20
    wall_seconds: float = 60.0
    max_calls: int = 500


@dataclass(frozen=True)
class Late:
    """An argument of a call that is made when the call's turn has come: what waits holds no photo in memory.

    Attributes:
        make: gives it; what it raises ends the call.
    """

    make: Callable[[], object]


def process_limits(memory_bytes: int, seconds: int) -> ProcessLimits:
    """An operator's limits: processor time in seconds, and by the clock three times as much, as others compute too."""
    return ProcessLimits(memory_bytes, seconds, 3.0 * seconds)


class DecodePool:
    """Processes that decode; started when first needed, one call at a time each.

    Use it as a context manager, or call `close`. Calls wait for a free process.
    """

    def __init__(
        self, processes: int = 1, limits: ProcessLimits | None = None, wait_seconds: float | None = None
    ) -> None:
        """Make a pool.

        Args:
            processes: at most so many calls at once.
            limits: of each process.
            wait_seconds: the longest that a call waits for a free process; None: as long as it takes.
        """
        self._limits = limits or ProcessLimits()
        self._wait_seconds = wait_seconds
        self._closed = False
        # The one used last is taken first: a quiet service keeps one process busy and starts no more.
        self._places: queue.LifoQueue[_Process | None] = queue.LifoQueue()
        for _ in range(processes):
            self._places.put(None)

    def __enter__(self) -> "DecodePool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def decode(self, data: bytes, limits: Limits | None = None) -> np.ndarray:
        """`core.imaging.intake.decode_photo` in the pool: the same arguments, result and errors."""
        return cast(np.ndarray, self.run(decode_photo, data, limits))

    def read(self, data: bytes, limits: Limits | None = None) -> Original:
        """`core.imaging.original.reading.read_original` in the pool; the working copy is made there too."""
        return cast(Original, self.run(read_with_working, data, limits))

    def working(self, data: bytes, limits: Limits | None = None) -> np.ndarray:
        """`core.imaging.original.reading.working_copy` in the pool: the same arguments, result and errors."""
        return cast(np.ndarray, self.run(working_copy, data, limits))

    def run(self, function: Callable[..., object], *arguments: object) -> object:
        """Call a function of a module in the pool.

        Args:
            function: found by its module and name.
            arguments: can be pickled, or are `Late`. The result is of plain values, arrays and data classes of
                `core.imaging` alone.

        Raises:
            ImageTooLargeError: it needed more memory or time than is allowed.
            ImageUnreadableError: it brought the process down.
            OverloadedError: no process came free in time.
            HeirloomError: whatever the function raises.
            RuntimeError: a fault of ours: the function raised something else, or the pool is closed.
        """
        try:
            process = self._places.get(timeout=self._wait_seconds)
        except queue.Empty:
            raise OverloadedError(
                "As many photos are being decoded as can be at once.", "Send the request again in a few seconds."
            ) from None
        try:
            if self._closed:
                raise RuntimeError("the decode pool is closed")
            made = tuple(one.make() if isinstance(one, Late) else one for one in arguments)
            if process is not None and not process.alive():
                process.end()  # killed after its last call, or by somebody else
                process = None
            if process is None:
                process = _Process(self._limits)
            answer = process.call(Call(function.__module__, function.__qualname__, made, self._limits.cpu_seconds))
        finally:
            if process is not None and (self._closed or not process.alive() or process.calls >= self._limits.max_calls):
                process.end()
                process = None
            self._places.put(process)
        if answer.error is not None:
            raise answer.error
        if answer.fault:
            raise RuntimeError(answer.fault)
        return answer.value

    def close(self) -> None:
        """End the processes that stand ready now, and the others after the call they are at."""
        self._closed = True
        waiting = []
        while True:
            try:
                waiting.append(self._places.get_nowait())
            except queue.Empty:
                break
        for process in waiting:
            if process is not None:
                process.end()
            self._places.put(None)  # for those who wait: they find the pool closed


class _Process:
    """One child and the pipes to it."""

    def __init__(self, limits: ProcessLimits) -> None:
        self.calls = 0
        self._limits = limits
        self._child = subprocess.Popen(  # noqa: S603  # our own module
            [sys.executable, "-m", "core.imaging.decode_child", str(limits.memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,  # Ctrl-C in a terminal is the parent's: the end of its input ends the child
        )
        try:
            self._receive()
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            self.end()
            raise RuntimeError(f"a decode process could not be started (status {self._child.returncode})") from error

    def alive(self) -> bool:
        """Whether it can be called."""
        return self._child.poll() is None

    def call(self, call: Call) -> Answer:
        """Have a call done.

        Raises:
            BadInputError: the process came to an end by it, or had to be ended.
        """
        self.calls += 1
        late = threading.Event()
        timer = threading.Timer(self._limits.wall_seconds, self._give_up, (late,))
        timer.daemon = True
        timer.start()
        try:
            pickle.dump(call, self._input, protocol=5)
            self._input.flush()
            return self._receive()
        except pickle.UnpicklingError as error:
            self._child.kill()  # it is not to be trusted with another photo
            raise ImageUnreadableError("The photo confuses its decoder.", _ANEW) from error
        except (EOFError, OSError):
            # The pipe broke because the process has ended, or is about to: its own status is the one that counts.
            raise _cause(self._child.wait(), late.is_set()) from None
        finally:
            timer.cancel()

    def _give_up(self, late: threading.Event) -> None:
        late.set()
        self._child.kill()

    def end(self) -> None:
        """End it, whatever it is at."""
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue  # what was still to be written has no reader

    @property
    def _input(self) -> IO[bytes]:
        return cast(IO[bytes], self._child.stdin)

    def _receive(self) -> Answer:
        return load_answer(cast(IO[bytes], self._child.stdout))


def _cause(status: int, late: bool) -> BadInputError:
    """What a process's end says about the photo it was at."""
    if late or status == -signal.SIGXCPU:
        return ImageTooLargeError("The photo takes longer to decode than is allowed.", _ANEW)
    if status in (OUT_OF_MEMORY, -signal.SIGKILL):
        return ImageTooLargeError("The photo needs more memory than is allowed.", "Send a smaller copy.")
    return ImageUnreadableError("The photo is damaged in a way that no decoder survives.", _ANEW)


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    # One thread and one arena: each reserves address space, which is what is limited.
    one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MALLOC_ARENA_MAX"), "1")
    return {**kept, **one, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONSAFEPATH": "1"}
