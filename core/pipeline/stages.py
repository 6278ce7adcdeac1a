"""The stages as the runner calls them: a call and a context in, one artifact for each item out."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from core.domain.errors import AlbumTooSmallError, BadInputError, CheckpointError
from core.domain.subject import MIN_ALBUM_PHOTOS
from core.imaging.align import aligned_crop, largest_face_crop, part_of
from core.imaging.detail import grid_level, merge_detail
from core.imaging.faces import DlibFaceFinder, FaceFinder
from core.imaging.intake import Limits, decode_photo
from core.imaging.resize import resize
from core.pipeline.album import sample_album
from core.pipeline.artifacts import pack, unpack
from core.pipeline.checkpoint import apply_checkpoint
from core.pipeline.finetune import finetune
from core.pipeline.plan import StageCall
from core.pipeline.ports import Ports
from core.pipeline.quality import scores
from core.pipeline.request import Photo, RestoreRequest, TuneRequest
from core.pipeline.restore import restore_batch
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
        limits: on what is decoded.
        finder: of faces.
        constrain: makes the prior that a checkpoint constrains; a caller may have it ready.
    """

    request: RestoreRequest | TuneRequest
    recipe: Recipe
    prior: UNetPrior
    ports: Ports
    hashes: dict[tuple[str, str], str]
    errors: dict[tuple[str, str], BadInputError] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    finder: FaceFinder = field(default_factory=DlibFaceFinder)
    constrain: Constrain = apply_checkpoint
    _constrained: tuple[str, UNetPrior] | None = None
    _resume_keys: list[tuple[str, str, str]] = field(default_factory=list)

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

    def photo(self, kind: str, index: int) -> Photo:
        """A photo of the request, by its kind ("photo" or "album") and place."""
        if kind == "album":
            return self.request.album[index]
        if isinstance(self.request, TuneRequest):
            raise TypeError("a tune request has no photos beside its album")
        return self.request.photos[index]

    def seed_of(self, call: StageCall) -> int:
        """The seed of what a call makes: its photo's, or the album's."""
        request = self.request
        if isinstance(request, TuneRequest) or not call.sources:
            return request.seed
        return request.seed_of(call.sources[0])

    def resume_state(self, call: StageCall) -> tuple[Callable[[], bytes | None], Callable[[bytes], None]]:
        """How a call loads and saves where it stopped; a part of a batch, or another batch, has a state of its own."""
        batch = hashlib.sha256("".join(call.hashes).encode()).hexdigest()
        key = (f"resume-{call.stage}", f"{call.items[0]}+{len(call.items)}", batch)
        self._resume_keys.append(key)
        return partial(self.ports.store.get, *key), partial(self.ports.store.put, *key)

    def discard_resume_states(self) -> None:
        """Drop the states of a call whose outputs are stored."""
        for key in self._resume_keys:
            self.ports.store.discard(*key)
        self._resume_keys.clear()

    def place(self, call: StageCall) -> tuple[int, int]:
        """Which one of its kind a call for one photo is, and how many there are: each is a step of its stage."""
        kind = call.items[0].partition("-")[0]
        alike = sum(stage == call.stage and item.partition("-")[0] == kind for stage, item in self.hashes)
        return call.sources[0] + 1, alike

    def report(self, call: StageCall, done: int, total: int) -> None:
        """Tell progress, and stop here if that was asked."""
        self.ports.progress.report(call.stage, call.items[0], done, total)
        self.ports.cancel.check()


Handler = Callable[[StageCall, Context], list[bytes]]


def align(call: StageCall, context: Context) -> list[bytes]:
    """Decode a photo and cut its largest face out, or take it as the crop it already is."""
    photo = context.photo(call.items[0].partition("-")[0], call.sources[0])
    image = decode_photo(photo.data, context.limits)
    context.ports.progress.report(call.stage, call.items[0], *context.place(call))
    if photo.aligned:
        return [pack({"crop": aligned_crop(image)})]
    found = largest_face_crop(image, context.finder)
    grid = grid_level(
        part_of(image, found.alignment)
    )  # turned, the photo's JPEG blocks are not to be measured any more
    return [pack({"crop": found.crop, "quad": found.alignment.quad}, {"grid": grid})]


def curate(call: StageCall, context: Context) -> list[bytes]:
    """Choose the anchors: usable faces, each once, at the prior's resolution; and say why the others are left out."""
    side = context.prior.spec.resolution
    kept: dict[str, np.ndarray] = {}
    report = []
    for index, need in zip(call.sources, call.needs, strict=True):
        entry = {"label": context.photo("album", index).label, "kept": False, "code": "", "reason": ""}
        error = context.errors.get(need)
        if error is not None:
            entry |= {"code": error.code, "reason": error.message}
        else:
            crop = unpack(context.output(*need))[0]["crop"]
            key = hashlib.sha256(crop.tobytes()).hexdigest()
            if crop.shape[0] * 2 < side:
                entry |= {
                    "code": "face_too_small",
                    "reason": f"The face is {crop.shape[0]} pixels wide; {side // 2} are needed.",
                }
            elif key in kept:
                entry |= {"code": "duplicate", "reason": "The same picture is in the album already."}
            else:
                kept[key] = resize(crop, side)
                entry["kept"] = True
        report.append(entry)
    if len(kept) < MIN_ALBUM_PHOTOS:
        reasons = sorted({str(entry["reason"]) for entry in report if entry["reason"]})
        error = AlbumTooSmallError(
            f"Only {len(kept)} of the album's {len(report)} photos can be used; {MIN_ALBUM_PHOTOS} are needed. "
            + " ".join(reasons[:3]),
            "Add clear photos of the person, about twenty in varied pose and light.",
        )
        error.report = tuple(report)
        raise error
    context.report(call, 1, 1)
    return [pack({"anchors": np.stack(list(kept.values()))}, {"report": report})]


def album(call: StageCall, context: Context) -> list[bytes]:
    """Sample one batch of the generative album."""
    recipe = context.recipe.album
    if recipe is None:
        raise ValueError("an album stage needs an album recipe")
    photo = resize(unpack(context.output(*call.needs[0]))[0]["crop"], context.prior.spec.resolution)
    load_state, save_state = context.resume_state(call)
    made = sample_album(
        context.prior,
        photo,
        recipe,
        context.seed_of(call),
        context.hashes[call.needs[0]],
        call.images,
        on_step=lambda done, total: context.report(call, done, total),
        load_state=load_state,
        save_state=save_state,
    )
    return [pack({"anchor": image}) for image in made]


def tune(call: StageCall, context: Context) -> list[bytes]:
    """Fine-tune on the anchors: a person's curated album, or the one sampled from the photo."""
    recipe = context.recipe.finetune
    if recipe is None:
        raise ValueError("a finetune stage needs a finetune recipe")
    if call.needs[0][0] == "curate":
        anchors = list(unpack(context.output(*call.needs[0]))[0]["anchors"])
    else:
        anchors = [unpack(context.output(*need))[0]["anchor"] for need in call.needs]
    digest = hashlib.sha256(b"".join(anchor.tobytes() for anchor in anchors)).hexdigest()
    load_state, save_state = context.resume_state(call)
    return [
        finetune(
            context.prior,
            anchors,
            recipe,
            context.seed_of(call),
            digest,
            on_step=lambda done: context.report(call, done, recipe.iterations),
            load_state=load_state,
            save_state=save_state,
        )
    ]


def restore(call: StageCall, context: Context) -> list[bytes]:
    """Restore a batch of photos with the prior that the request constrained, or the untouched one."""
    prior = context.prior
    request = context.request
    if isinstance(request, TuneRequest):
        raise TypeError("a tune request restores nothing")
    tuned = [need for need in call.needs if need[0] == "finetune"]
    if tuned:
        prior = context.constrained(context.output(*tuned[0]))
    elif request.checkpoint is not None:
        prior = context.constrained(request.checkpoint)
    side = prior.spec.resolution
    keys = [("align", f"photo-{index}") for index in call.sources]
    photos = [resize(unpack(context.output(*key))[0]["crop"], side) for key in keys]
    load_state, save_state = context.resume_state(call)
    made = restore_batch(
        prior,
        photos,
        context.recipe.restore,
        [request.seed_of(index) for index in call.sources],
        [context.hashes[key] for key in keys],
        call.candidates,
        on_step=lambda done, total: context.report(call, done, total),
        load_state=load_state,
        save_state=save_state,
    )
    return [pack({"native": image}) for image in made]


def composite(call: StageCall, context: Context) -> list[bytes]:
    """Bring the restored face to the crop's size, with the detail that is the photo's own; score it."""
    native = unpack(context.output(*call.needs[0]))[0]["native"]
    arrays, values = unpack(context.output(*call.needs[1]))
    crop = arrays["crop"]
    own_size = isinstance(context.request, RestoreRequest) and context.request.native
    image = native if own_size else merge_detail(native, crop, values.get("grid", 0.0))
    degraded = resize(crop, native.shape[0])
    numbers = scores(context.prior, crop, image, degraded, native)
    context.report(call, 1, 1)
    return [pack({"image": image, "native": native}, numbers)]


HANDLERS: dict[str, Handler] = {
    "align": align,
    "curate": curate,
    "album": album,
    "finetune": tune,
    "restore": restore,
    "composite": composite,
}
