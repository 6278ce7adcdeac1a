"""The device, and what stays on it between jobs: priors, and priors constrained by a checkpoint."""

import hashlib
import resource
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from core import logs
from core.domain.errors import PriorUnavailableError
from core.pipeline.checkpoint import apply_checkpoint
from core.pipeline.memory import free_what_is_unused
from core.priors.devices import autocast_of, open_device
from core.priors.diffusers_unet import UNetPrior
from core.priors.locate import load_prior

_log = logs.get_logger(__name__)


class Gpu:
    """A device, whatever it is, with a cache that forgets what was used longest ago.

    Attributes:
        device: where it computes.
        priors: hash → name of the priors that can be loaded here.
    """

    def __init__(self, device: str, precision: str, home: Path, priors: Mapping[str, str], cache_bytes: int) -> None:
        """Open the device; nothing is loaded.

        Args:
            device: auto, cpu, cuda or mps.
            precision: auto, fp32 or bf16.
            home: HEIRLOOM_HOME.
            priors: hash → name.
            cache_bytes: what may stay on the device between jobs.

        Raises:
            HeirloomError: there is no such device.
        """
        self.device = open_device(device)
        self.priors = priors
        self._autocast = autocast_of(precision, self.device)
        self._home = home
        self._cache_bytes = cache_bytes
        self._cache: OrderedDict[str, UNetPrior] = OrderedDict()

    @property
    def name(self) -> str:
        """For people, e.g. "cuda: NVIDIA H100"."""
        if self.device.type == "cuda":
            return f"cuda: {torch.cuda.get_device_name(self.device)}"
        return self.device.type if self.device.type != "cpu" else f"cpu: {torch.get_num_threads()} threads"

    @property
    def precision(self) -> str:
        """What it computes in."""
        return "fp32" if self._autocast is None else "bf16"

    def prior(self, sha256: str) -> UNetPrior:
        """A prior by the hash of its weights.

        Raises:
            PriorUnavailableError: it is not here, or its folder holds another one now.
            PriorError: its description is wrong.
            WeightsRejectedError: its weights are not what they must be.
            OutOfMemoryError: the device has no room for it.
        """
        if sha256 not in self.priors:
            raise PriorUnavailableError(
                f"The prior {sha256[:12]} is not on this worker.", "Tell the operator, or use another prior."
            )
        return self._cached(sha256, lambda: self._load(sha256))

    def constrained(self, prior: UNetPrior, checkpoint: bytes) -> UNetPrior:
        """A prior with a checkpoint applied; errors as for `apply_checkpoint`."""
        key = f"{prior.spec.sha256}+{hashlib.sha256(checkpoint).hexdigest()}"
        return self._cached(key, lambda: apply_checkpoint(prior, checkpoint))

    def trim(self) -> None:
        """Between jobs: forget what was used longest ago until the rest is small enough to stay."""
        while self._cache and self.cached_bytes > self._cache_bytes:
            key, _ = self._cache.popitem(last=False)
            _log.info("forgotten_on_device", key=key[:12])
        free_what_is_unused(self.device)

    def clear(self) -> None:
        """Forget everything: memory ran out."""
        self._cache.clear()
        free_what_is_unused(self.device)

    @property
    def cached_bytes(self) -> int:
        """What the cached priors hold; tensors that several share count once."""
        tensors = {
            tensor.data_ptr(): tensor.numel() * tensor.element_size()
            for prior in self._cache.values()
            for tensor in (*prior.network.parameters(), *prior.network.buffers())
        }
        return sum(tensors.values())

    def start_measuring(self) -> None:
        """Peak memory from here on."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def measured(self) -> dict[str, int]:
        """Peak memory: on a GPU its own since `start_measuring`, elsewhere the process's since its start."""
        if self.device.type == "cuda":
            return {"peak_memory_bytes": torch.cuda.max_memory_allocated(self.device)}
        unit = 1 if sys.platform == "darwin" else 1024
        return {"peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}

    def _cached(self, key: str, make: Callable[[], UNetPrior]) -> UNetPrior:
        if key not in self._cache:
            self._cache[key] = make()
        self._cache.move_to_end(key)
        return self._cache[key]

    def _load(self, sha256: str) -> UNetPrior:
        prior = load_prior(self.priors[sha256], self._home, self.device, self._autocast)
        if prior.spec.sha256 != sha256:
            raise PriorUnavailableError(
                f"The prior {self.priors[sha256]!r} was exchanged since this worker started.", "Tell the operator."
            )
        return prior
