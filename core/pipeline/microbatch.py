"""Gradients of one tuning iteration, in as many parts as memory demands: their sum is the whole batch's."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from core.pipeline.memory import free_what_is_unused, is_out_of_memory

PartLoss = Callable[[slice], Tensor]
"""The share of some samples in the batch's mean loss: added up over all of them, it is that."""


class MicroBatch:
    """How many samples are computed at once: all of them, until memory runs out; then half, and so on.

    What does not fit at one iteration does not at the next: the size stays, for the rest of the tuning.

    Attributes:
        size: samples at once.
    """

    def __init__(self, batch: int, device: torch.device, on_halved: Callable[[], None] = lambda: None) -> None:
        """Begin with all at once.

        Args:
            batch: samples of an iteration.
            device: where.
            on_halved: called before the first attempt with fewer.
        """
        self.size = self._batch = batch
        self._device = device
        self._on_halved = on_halved

    def gradients(self, loss_of: PartLoss, parameters: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The batch's mean loss and its gradients.

        Args:
            loss_of: see `PartLoss`; draws the same however often it is called.
            parameters: with regard to which.

        Raises:
            RuntimeError: not even one sample fits, or something else failed.
            MemoryError: as above.
        """
        while True:
            try:
                return self._in_parts(loss_of, parameters)
            except (RuntimeError, MemoryError) as error:
                if self.size == 1 or not is_out_of_memory(error):
                    raise
            # Not inside the handler: there the error's traceback still holds the attempt's tensors.
            self.size = (self.size + 1) // 2
            free_what_is_unused(self._device)
            self._on_halved()

    def _in_parts(self, loss_of: PartLoss, parameters: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        parts = [slice(start, min(start + self.size, self._batch)) for start in range(0, self._batch, self.size)]
        loss = loss_of(parts[0])
        gradients = list(torch.autograd.grad(loss, parameters))
        total = loss.detach()
        for part in parts[1:]:
            loss = loss_of(part)
            for gradient, more in zip(gradients, torch.autograd.grad(loss, parameters), strict=True):
                gradient += more
            total = total + loss.detach()
        return total, gradients
