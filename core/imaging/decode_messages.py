"""What a decode pool and its processes say to each other.

An answer is read with care: a decoder may have been taken over by its file, and pickle would then do for it whatever
it names. Here it can name plain values, arrays and our own classes of data, nothing that acts.
"""

import importlib
import pickle
from dataclasses import dataclass
from typing import IO, Any, cast

from core.domain.errors import HeirloomError

OUT_OF_MEMORY = 3
"""Exit status: the call, or its answer, did not fit into the memory allowed."""

_ARRAYS = {
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
}
"""How numpy 2 and 1 pickle arrays."""


@dataclass(frozen=True)
class Call:
    """What a child is asked to do.

    Attributes:
        module: where the function stands.
        function: its name.
        arguments: pickled with the call.
        cpu_seconds: of processor time for this call; above it the system ends the process.
    """

    module: str
    function: str
    arguments: tuple[Any, ...]
    cpu_seconds: int


@dataclass(frozen=True)
class Answer:
    """What came of a call.

    Attributes:
        value: what the function returned.
        error: what it refused with.
        fault: an exception that is none of ours, in words; without its message, which may quote the photo.
    """

    value: Any = None
    error: HeirloomError | None = None
    fault: str = ""


def load_answer(stream: IO[bytes]) -> Answer:
    """Read one answer.

    Raises:
        EOFError: the process has ended.
        OSError: the pipe is broken.
        pickle.UnpicklingError: the answer names something that does not belong into one, or is none.
    """
    try:
        answer = _Answers(stream).load()
    except (EOFError, OSError, pickle.UnpicklingError):
        raise
    except Exception as error:  # what is no pickle raises anything
        raise pickle.UnpicklingError("not an answer") from error
    if not isinstance(answer, Answer):
        raise pickle.UnpicklingError("not an answer")
    return answer


class _Answers(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> object:
        if (module_name, global_name) in _ARRAYS:
            return cast(object, super().find_class(module_name, global_name))
        found = None
        if module_name == "core.domain.errors" or module_name.startswith("core.imaging."):
            found = getattr(importlib.import_module(module_name), global_name, None)
        # A class of ours that stands in that very module: not what the module imports, no function, no dotted way on.
        if isinstance(found, type) and found.__module__ == module_name and self._harmless(found):
            return found
        raise pickle.UnpicklingError(f"{module_name}.{global_name} does not belong into an answer")

    @staticmethod
    def _harmless(found: type) -> bool:
        return issubclass(found, HeirloomError) or hasattr(found, "__dataclass_fields__")
