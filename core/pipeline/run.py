"""Doing what a plan says: the one composition that the command line and the worker share."""

import time
from collections import defaultdict
from collections.abc import Callable

from core.domain.errors import AlbumTooSmallError, BadInputError
from core.domain.face import FaceVerdict
from core.pipeline.artifacts import unpack
from core.pipeline.checkpoint import apply_checkpoint
from core.pipeline.memory import free_what_is_unused, is_out_of_memory, too_little_memory
from core.pipeline.plan import SUBJECT, StageCall, carried_out
from core.pipeline.ports import ArtifactStore, Ports
from core.pipeline.request import (
    AlbumPhotoReport,
    Candidate,
    FaceResult,
    PhotoResult,
    RestoreRequest,
    Result,
    TuneRequest,
)
from core.pipeline.stages import HANDLERS, Constrain, Context
from core.priors.diffusers_unet import UNetPrior
from core.recipes.schema import Recipe


def run(
    calls: tuple[StageCall, ...],
    request: RestoreRequest | TuneRequest,
    recipe: Recipe,
    prior: UNetPrior,
    ports: Ports,
    on_photo: Callable[[int, PhotoResult], None] | None = None,
    *,
    forget: bool = False,
    constrain: Constrain = apply_checkpoint,
) -> Result:
    """Run a plan to its end; whatever the store already holds is not made again.

    A photo that cannot be used fails alone: its result carries the error, the others go on.

    Args:
        calls: from `plan` for the same request, recipe and prior.
        request: what is wanted.
        recipe: the numbers.
        prior: untouched, on the device to compute on.
        ports: progress, cancel, store.
        on_photo: told (index, result) as soon as a photo's last candidate is done or its error is known.
        forget: drop a photo's own album and checkpoint from the store once `on_photo` has returned; where the store
            is to serve other requests too, keep them.
        constrain: how the prior that a checkpoint constrains is made; a caller that keeps some ready brings its own.

    Raises:
        AlbumTooSmallError: too few of the album's photos can be used.
        CancelledError: from `ports.cancel`; the same call goes on later.
        OutputError: the store is full or not writable.
        OutOfMemoryError: the device cannot compute even one picture at a time.
    """
    recipe = carried_out(request, recipe)
    hashes = {(call.stage, item): key for call in calls for item, key in zip(call.items, call.hashes, strict=True)}
    context = Context(request, recipe, prior, ports, hashes, constrain=constrain)
    seconds: dict[str, float] = defaultdict(float)
    last_call = _last_call_of_each_photo(calls)
    composited = _composited(calls, ports.store)
    photos: dict[int, PhotoResult] = {}
    for position, call in enumerate(calls):
        ports.cancel.check()
        begun = time.monotonic()
        made = not _only_for(composited, call) and _run_call(call, context)
        if made:
            seconds[call.stage] += time.monotonic() - begun
        for index in (i for i, last in last_call.items() if last == position):
            photos[index] = _photo_result(index, context)
            if on_photo is not None:
                on_photo(index, photos[index])
            if forget:
                _forget(index, calls, ports.store)
    return Result(
        photos=tuple(photos[index] for index in sorted(photos)),
        checkpoint=context.output("finetune", SUBJECT) if ("finetune", SUBJECT) in hashes else None,
        album=_album_report(context),
        seconds={stage: round(value, 3) for stage, value in seconds.items()},
    )


def _run_call(call: StageCall, context: Context) -> bool:
    """Run one call unless its outputs exist or cannot be made; say whether it ran.

    A batch is stored whole or not at all: results are equal bit for bit only at equal batch shape.
    """
    call = _without_failed(call, context)
    if not call.items:
        return False
    keys = list(zip(call.items, call.hashes, strict=True))
    if all(context.ports.store.get(call.stage, item, key) is not None for item, key in keys):
        context.ports.progress.report(call.stage, call.items[0], 1, 1)
        return False
    try:
        outputs = _make(call, context)
    except AlbumTooSmallError:
        raise
    except BadInputError as error:
        for item in call.items:
            context.errors[call.stage, item] = error
        return True
    for (item, key), data in zip(keys, outputs, strict=True):
        context.ports.store.put(call.stage, item, key, data)
    context.discard_resume_states()
    return True


def _make(call: StageCall, context: Context) -> list[bytes]:
    """A call's outputs; where memory is too small for all of its items at once, half of them and then the others.

    Another batch shape may change a result by 1 of 255 levels in float32: noise does not depend on it, rounding does.
    """
    try:
        return HANDLERS[call.stage](call, context)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if len(call.items) == 1:
            raise too_little_memory(call.stage) from error
    # Not inside the handler above: there the error's traceback still holds the attempt's tensors.
    free_what_is_unused(context.prior.device)
    return [output for half in call.halves() for output in _make(half, context)]


_FOR_ONE_PHOTO = ("album", "finetune", "restore")


def _composited(calls: tuple[StageCall, ...], store: ArtifactStore) -> set[int]:
    """Photos whose candidates an earlier run finished: what those came from need not exist any more."""
    composites = [call for call in calls if call.stage == "composite"]
    open_ones = {call.sources for call in composites if store.get("composite", call.items[0], call.hashes[0]) is None}
    return {call.sources[0] for call in composites if call.sources not in open_ones}


def _only_for(photos: set[int], call: StageCall) -> bool:
    """Whether a call makes something that only these photos' composites are made of."""
    return call.stage in _FOR_ONE_PHOTO and bool(call.sources) and photos.issuperset(call.sources)


def _forget(index: int, calls: tuple[StageCall, ...], store: ArtifactStore) -> None:
    """Drop what is large and was made for this photo alone; its composites stay, for a run that is stopped later."""
    for call in calls:
        if call.stage in ("album", "finetune") and call.sources == (index,):
            for item, key in zip(call.items, call.hashes, strict=True):
                store.discard(call.stage, item, key)


def _without_failed(call: StageCall, context: Context) -> StageCall:
    """A call without the items whose photo has failed; for one that needs a failed output whole, without any."""
    if call.stage == "curate":
        return call  # reports the failed ones itself
    failed = {need for need in call.needs if need in context.errors}
    if not failed:
        return call
    for need in failed:
        bad = {i for i, index in enumerate(call.sources) if need == ("align", f"photo-{index}")}
        if call.stage != "restore" or not bad:
            for item in call.items:
                context.errors[call.stage, item] = context.errors[need]
            return call.only(())
        for i in bad:
            context.errors[call.stage, call.items[i]] = context.errors[need]
    keep = [i for i, item in enumerate(call.items) if (call.stage, item) not in context.errors]
    return call.only(keep)


def _last_call_of_each_photo(calls: tuple[StageCall, ...]) -> dict[int, int]:
    return {call.sources[0]: position for position, call in enumerate(calls) if call.stage == "composite"}


def _photo_result(index: int, context: Context) -> PhotoResult:
    label = context.photo("photo", index).label
    errors = [error for (_, item), error in context.errors.items() if _photo_index(item) == index]
    if errors:
        return PhotoResult(label, error=errors[0])
    aligned = unpack(context.output("align", f"photo-{index}"))[0]
    candidates = []
    count = context.request.candidates if isinstance(context.request, RestoreRequest) else 0
    for candidate in range(count):
        arrays, numbers = unpack(context.output("composite", f"photo-{index}-{candidate}"))
        candidates.append(Candidate(arrays["image"], arrays["native"], numbers))
    # The best is the one closest to the photo's own identity; equal scores keep the order of the seeds.
    candidates.sort(key=lambda one: -one.scores.get("identity_to_photo", 0.0))
    quad = aligned.get("quad")
    face = FaceResult(
        n=0,
        quad=quad,
        outline=None,
        box=None,
        eye_distance_pixels=None,
        source="aligned" if quad is None else "detected",
        verdict=FaceVerdict.RESTORED,
        crop=aligned["crop"],
        candidates=tuple(candidates),
        selected=0,
    )
    return PhotoResult(label, (face,))


def _photo_index(item: str) -> int | None:
    kind, _, rest = item.partition("-")
    return int(rest.partition("-")[0]) if kind == "photo" else None


def _album_report(context: Context) -> tuple[AlbumPhotoReport, ...]:
    if ("curate", SUBJECT) not in context.hashes:
        return ()
    _, values = unpack(context.output("curate", SUBJECT))
    return tuple(AlbumPhotoReport(**entry) for entry in values["report"])
