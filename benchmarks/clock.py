"""What a stage takes: seconds a step, and images that pass through the network."""

import time
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from benchmarks.flops import synchronize


@dataclass
class Clock:
    """Seconds of a stage: until its first report, and from there on.

    What comes first (copying the network, compiling it) does not grow with the steps; what follows does.
    """

    device: torch.device
    begun: float = 0.0
    first: float | None = None
    steps: int = 0
    steps_at_first: int = 0

    def start(self) -> None:
        """Begin to count."""
        synchronize(self.device)
        self.begun = time.perf_counter()

    def tick(self, done_in_chain: int) -> None:
        """A stage's report; 0 says that it is about to start."""
        self.steps += 1 if done_in_chain else 0
        if self.first is None:
            synchronize(self.device)
            self.first, self.steps_at_first = time.perf_counter(), self.steps

    def stop(self, whole_steps: int) -> dict[str, float]:
        """Seconds of what was run, of its beginning, of a step, and of the whole.

        Args:
            whole_steps: of the stage at its real size.
        """
        synchronize(self.device)
        end = time.perf_counter()
        first = end if self.first is None else self.first
        steady = self.steps - self.steps_at_first
        step_seconds = (end - first) / steady if steady else (end - self.begun) / max(1, self.steps)
        rest = max(0, whole_steps - self.steps_at_first) * step_seconds
        return {
            "seconds": end - self.begun,
            "setup_seconds": first - self.begun,
            "step_seconds": step_seconds,
            "whole_seconds": first - self.begun + rest,
        }


class PassCounter:
    """Counts the images that pass through a network inside the block: with a gradient to the image, and without."""

    def __init__(self, network: nn.Module) -> None:
        """Watch a network."""
        self.plain = 0
        self.guided = 0
        self._network = network

    def __enter__(self) -> Self:
        self._handle = self._network.register_forward_pre_hook(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.remove()

    def _count(self, _network: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        images = inputs[0]
        if images.requires_grad:
            self.guided += len(images)
        else:
            self.plain += len(images)
