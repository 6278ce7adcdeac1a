"""What the stages of one run share."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from core.domain.errors import CheckpointError, HeirloomError
from core.domain.subject import Category
from core.imaging.intake import Limits
from core.pipeline.artifacts import unpack
from core.pipeline.checkpoint import apply_checkpoint
from core.pipeline.expansion import PhotoFaces
from core.pipeline.found import FoundFaces
from core.pipeline.plan import StageCall, face_item, photo_item
from core.pipeline.ports import Ports
from core.pipeline.request import Photo, RestoreRequest, TuneRequest
from core.pipeline.resume_state import ResumeState
from core.priors.diffusers_unet import UNetPrior
from core.recipes.schema import Recipe

Constrain = Callable[[UNetPrior, bytes], UNetPrior]


@dataclass
class Context:
    """What every stage of one run may use.

    Attributes:
        request: what is wanted.
        recipe: the numbers.
        prior: untouched.
        ports: progress, cancel, store.
        hashes: of every item planned, for look-ups in the store.
        errors: items that cannot be made because of what was sent; whatever needs them is skipped.
        failed: faces that cannot be restored, as (photo, number), and why; the others go on.
        photos: what is known of each photo's faces, by index.
        limits: on what is decoded.
        constrain: makes the prior that a checkpoint constrains; a caller may have it ready.
    """

    request: RestoreRequest | TuneRequest
    recipe: Recipe
    prior: UNetPrior
    ports: Ports
    hashes: dict[tuple[str, str], str]
    errors: dict[tuple[str, str], HeirloomError] = field(default_factory=dict)
    failed: dict[tuple[int, int], HeirloomError] = field(default_factory=dict)
    photos: dict[int, PhotoFaces] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    constrain: Constrain = apply_checkpoint
    _working: tuple[int, np.ndarray] | None = None
    _constrained: tuple[str, UNetPrior] | None = None
    _resume_states: list[ResumeState] = field(default_factory=list)

    def output(self, stage: str, item: str) -> bytes:
        """What an earlier stage made.

        Raises:
            CheckpointError: it was damaged since; retryable, because only that stage has to run again.
        """
        data = self.ports.store.get(stage, item, self.hashes[stage, item])
        if data is None:
            error = CheckpointError(
                f"The stored output of the stage {stage} is damaged.", "Run the same command again."
            )
            error.retryable = True  # unlike its kind: what the other stages made must be kept for the next run
            raise error
        return data

    def constrained(self, checkpoint: bytes) -> UNetPrior:
        """The prior with a checkpoint applied; the last one is kept, since batches share it."""
        key = hashlib.sha256(checkpoint).hexdigest()
        if self._constrained is None or self._constrained[0] != key:
            self._constrained = None  # free the old one before the new one is made
            self._constrained = (key, self.constrain(self.prior, checkpoint))
        return self._constrained[1]

    @property
    def person(self) -> bool:
        """Whether the request is about a person: an animal's or a thing's face is nobody's."""
        return self.request.category == Category.PERSON

    def photo(self, kind: str, index: int) -> Photo:
        """A photo of the request, by its kind ("photo" or "album") and place."""
        if kind == "album":
            return self.request.album[index]
        if isinstance(self.request, TuneRequest):
            raise TypeError("a tune request has no photos beside its album")
        return self.request.photos[index]

    def working(self, index: int) -> np.ndarray:
        """What models see of a photo to be restored, [H, W, 3] uint8; the last one is kept, for all its faces.

        Raises:
            BadInputError: it cannot be read.
        """
        if self._working is None or self._working[0] != index:
            self._working = None  # free the old one before the new one is decoded
            self._working = (index, self.ports.decode(self.photo("photo", index).data, self.limits))
        return self._working[1]

    def drop_photo(self) -> None:
        """Free the decoded photo: nothing is cut out of it any more."""
        self._working = None

    def found(self, index: int) -> FoundFaces:
        """The faces of a photo."""
        return FoundFaces.unpacked(self.output("detect", photo_item(index)))

    def crop(self, index: int, n: int) -> np.ndarray:
        """A face cut out of its photo, [S, S, 3] uint8."""
        crop: np.ndarray = unpack(self.output("align", face_item(index, n)))[0]["crop"]
        return crop

    def seed_of(self, call: StageCall) -> int:
        """The seed of what a call makes: its photo's, or the album's."""
        request = self.request
        if isinstance(request, TuneRequest) or not call.sources:
            return request.seed
        return request.seed_of(call.sources[0])

    def resume_state(
        self, call: StageCall, *, two: bool = False
    ) -> tuple[Callable[[], bytes | None], Callable[[bytes], None]]:
        """How a call loads and saves where it stopped; a part of a batch, or another batch, has a state of its own."""
        batch = hashlib.sha256("".join(call.hashes).encode()).hexdigest()
        item = f"{call.items[0]}+{len(call.items)}"
        state = ResumeState(self.ports.store, f"resume-{call.stage}", item, batch, two)
        self._resume_states.append(state)
        return state.load, state.save

    def discard_resume_states(self) -> None:
        """Drop the states of a call whose outputs are stored."""
        for state in self._resume_states:
            state.discard()
        self._resume_states.clear()

    def place(self, call: StageCall) -> tuple[int, int]:
        """Which one of its kind a call for one photo is, and how many there are: each is a step of its stage."""
        kind = call.items[0].partition("-")[0]
        alike = sum(stage == call.stage and item.partition("-")[0] == kind for stage, item in self.hashes)
        return call.sources[0] + 1, alike

    def report(self, call: StageCall, done: int, total: int) -> None:
        """Tell progress, and stop here if that was asked."""
        self.ports.progress.report(call.stage, call.items[0], done, total)
        self.ports.cancel.check()
