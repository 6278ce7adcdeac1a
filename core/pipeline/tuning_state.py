"""What a tuning needs to go on where it was stopped: weights, AdamW's moments, losses, and how steps scored so far."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.pipeline.artifacts import pack, unpack
from core.pipeline.scoring import ScoredStep

Weights = dict[str, Tensor]


class LossSum:
    """Adds up losses in the order they came, and waits for the device only when the sum is asked for."""

    def __init__(self) -> None:
        self.total = 0.0
        self._waiting: list[Tensor] = []

    def add(self, loss: Tensor) -> None:
        """One iteration's."""
        self._waiting.append(loss.detach())

    def sum(self) -> float:
        """Of all so far."""
        if self._waiting:
            for value in torch.stack(self._waiting).tolist():
                self.total += value
        self._waiting.clear()
        return self.total


@dataclass
class Tuning:
    """How far a tuning has come.

    Attributes:
        iteration: done so far.
        losses: their sum.
        curve: steps that were scored, in order.
        best: the best one's weights as a checkpoint holds them, in half precision on the host; None before the first.
    """

    iteration: int = 0
    losses: LossSum = field(default_factory=LossSum)
    curve: list[ScoredStep] = field(default_factory=list)
    best: Weights | None = None

    def is_scored(self, step: int) -> bool:
        """Whether it is on the curve."""
        return any(scored.step == step for scored in self.curve)

    def best_step(self) -> ScoredStep | None:
        """The highest rank, the earlier of equals; what was there before tuning does not count."""
        tuned = [scored for scored in self.curve if scored.step > 0]
        return max(tuned, key=lambda scored: (scored.rank, -scored.step), default=None)

    def take(self, scored: ScoredStep, weights: Weights) -> None:
        """Put a step on the curve, and keep a copy of its weights where it is the best so far."""
        self.curve.append(scored)
        if self.best_step() is scored:
            self.best = {
                name: (tensor.half() if tensor.is_floating_point() else tensor).detach().cpu().clone()
                for name, tensor in weights.items()
            }


def saved(tuning: Tuning, parameters: dict[str, torch.nn.Parameter], optimizer: torch.optim.AdamW) -> bytes:
    """As an artifact; at least one iteration is done.

    Args:
        tuning: how far it has come.
        parameters: those that are tuned, by name.
        optimizer: of them.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, parameter in parameters.items():
        moments: dict[str, Any] = optimizer.state[parameter]
        arrays[f"weight/{name}"] = parameter.detach().cpu().numpy()
        arrays[f"first/{name}"] = moments["exp_avg"].cpu().numpy()
        arrays[f"second/{name}"] = moments["exp_avg_sq"].cpu().numpy()
    arrays |= {f"best/{name}": tensor.numpy() for name, tensor in (tuning.best or {}).items()}
    curve = [[scored.step, scored.identity, scored.psnr] for scored in tuning.curve]
    return pack(arrays, {"iteration": tuning.iteration, "loss_sum": tuning.losses.sum(), "curve": curve})


def restored(state: bytes, parameters: dict[str, torch.nn.Parameter], optimizer: torch.optim.AdamW) -> Tuning:
    """Take a saved state up: weights and moments go into `parameters` and `optimizer`."""
    arrays, values = unpack(state)
    tuning = Tuning(int(values["iteration"]), curve=[ScoredStep(*scored) for scored in values["curve"]])
    tuning.losses.total = float(values["loss_sum"])
    best = {name.removeprefix("best/"): array for name, array in arrays.items() if name.startswith("best/")}
    tuning.best = {name: torch.from_numpy(array) for name, array in best.items()} or None
    fused = bool(optimizer.defaults["fused"])
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(torch.from_numpy(arrays[f"weight/{name}"]))
            optimizer.state[parameter] = {
                # Where AdamW itself counts: beside the weights if fused, else on the CPU.
                "step": torch.tensor(float(tuning.iteration), device=parameter.device if fused else "cpu"),
                "exp_avg": _like(arrays[f"first/{name}"], parameter),
                "exp_avg_sq": _like(arrays[f"second/{name}"], parameter),
            }
    return tuning


def _like(array: np.ndarray, parameter: torch.nn.Parameter) -> Tensor:
    """An optimizer moment with its parameter's memory layout, so that resumed sums run in the same order."""
    moment = torch.empty_like(parameter, requires_grad=False)
    moment.copy_(torch.from_numpy(array))
    return moment
