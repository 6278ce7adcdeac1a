"""Skip guidance: equation (6), pulling a sample towards the photo at every n-th step only.

x'_{t−1} = x_{t−1} − λ · ∇_{x_t} ‖y_0 − x̂_{0,t}‖. The text speaks of L1, equation (6) of the squared L2 norm,
and the authors' sampler takes the plain L2 norm per image: all three can be chosen, the last is the default.
"""

from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor


class GuidanceNorm(StrEnum):
    """How the distance between x̂_0 and the photo is measured."""

    L2 = "l2"
    L2_SQUARED = "l2_squared"
    L1 = "l1"


def distance(predicted_x0: Tensor, degraded: Tensor, norm: GuidanceNorm) -> Tensor:
    """‖y_0 − x̂_{0,t}‖ for each image: [N]; sums over pixels and channels, not means.

    Args:
        predicted_x0: [N, C, H, W].
        degraded: y_0, [N, C, H, W].
        norm: which of the three.
    """
    difference = (degraded - predicted_x0).flatten(1)
    if norm is GuidanceNorm.L1:
        return difference.abs().sum(dim=1)
    if norm is GuidanceNorm.L2_SQUARED:
        return difference.square().sum(dim=1)
    norms: Tensor = torch.linalg.vector_norm(difference, dim=1)
    return norms


@dataclass(frozen=True)
class SkipGuidance:
    """What to pull towards, how hard and when.

    Attributes:
        degraded: y_0, [N, C, H, W] in [−1, 1].
        scale: λ.
        every: n; guided where (t + 1) mod n = 0.
        norm: which distance.
        dense_steps: at the start of the chain, guide at every one of this many steps (authors' sampler,
            for album images that start from pure noise).
    """

    degraded: Tensor
    scale: float = 0.3
    every: int = 10
    norm: GuidanceNorm = GuidanceNorm.L2
    dense_steps: int = 0

    def covers(self, t: int, next_t: int, start_steps: int) -> bool:
        """Whether the step from t to next_t is guided.

        A step that spans several indices (few-step samplers) is guided if the ancestral chain would be
        guided anywhere in it; for single steps this is exactly (t + 1) mod n = 0.

        Args:
            t: the step's index.
            next_t: the index after it; −1 for the last step.
            start_steps: K, where the chain began.
        """
        if start_steps - (t + 1) < self.dense_steps:
            return True
        return (t + 1) // self.every > (next_t + 1) // self.every

    def gradient(self, predicted_x0: Tensor, x_t: Tensor) -> Tensor:
        """∇_{x_t} of the distance, through the network: [N, C, H, W].

        Images do not interact in the network, so the gradient of the sum is each image's own.

        Args:
            predicted_x0: computed from x_t with a graph.
            x_t: a leaf that requires grad.
        """
        total = distance(predicted_x0, self.degraded, self.norm).sum()
        (gradient,) = torch.autograd.grad(total, x_t)
        return gradient
