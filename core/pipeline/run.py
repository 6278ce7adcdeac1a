"""Doing what a plan says: the one composition that the command line and the worker share."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from core.domain.curation import CurationReport
from core.domain.errors import AlbumTooSmallError, BadInputError, CheckpointError, HeirloomError
from core.domain.mode import Mode
from core.pipeline.album_facts import unpack_report
from core.pipeline.artifacts import unpack
from core.pipeline.checkpoint import apply_checkpoint
from core.pipeline.expansion import NOISE_STEPS, PhotoFaces, align_calls, restoring_calls, without
from core.pipeline.fates import decide
from core.pipeline.fidelity import smallest_noise_steps
from core.pipeline.memory import free_what_is_unused, is_out_of_memory, too_little_memory
from core.pipeline.plan import SUBJECT, StageCall, carried_out, face_item, photo_item
from core.pipeline.ports import ArtifactStore, Ports
from core.pipeline.recognition import recognised, with_checkpoints
from core.pipeline.request import OWN, PhotoResult, RestoreRequest, Result, TuneRequest
from core.pipeline.results import photo_result
from core.pipeline.stages import HANDLERS, Constrain, Context
from core.priors.diffusers_unet import UNetPrior
from core.recipes.schema import Recipe

OnPhoto = Callable[[int, PhotoResult], None]
OnCalls = Callable[[Sequence[StageCall]], None]


def run(
    calls: tuple[StageCall, ...],
    request: RestoreRequest | TuneRequest,
    recipe: Recipe,
    prior: UNetPrior,
    ports: Ports,
    on_photo: OnPhoto | None = None,
    *,
    forget: bool = False,
    constrain: Constrain = apply_checkpoint,
    on_calls: OnCalls = lambda _: None,
) -> Result:
    """Run a plan to its end; whatever the store already holds is not made again.

    A photo that cannot be used fails alone, and so does a face: the result carries the error, the others go on.

    Args:
        calls: from `plan` for the same request, recipe and prior.
        request: what is wanted.
        recipe: the numbers.
        prior: untouched, on the device to compute on.
        ports: progress, cancel, store.
        on_photo: told (index, result) as soon as a photo is done or its error is known; the results are its own then,
            and not in what is returned.
        forget: drop what a face was made of, such as its album and its checkpoint, from the store once the face is
            scored: they are large, and a photo may have many faces. Where the store is to serve other requests too,
            keep them.
        constrain: how the prior that a checkpoint constrains is made; a caller that keeps some ready brings its own.
        on_calls: told what is to be done for some photos once their faces are known, before it begins.

    Raises:
        AlbumTooSmallError: too few of the album's photos can be used.
        AlbumMixedIdentityError: nobody can say whose album it is.
        CheckpointError: the request's own checkpoint cannot be used, or a tuning on its album diverged.
        CancelledError: from `ports.cancel`; the same call goes on later.
        OutputError: the store is full or not writable.
        OutOfMemoryError: the device cannot compute even one picture at a time.
    """
    recipe = carried_out(request, recipe)
    context = Context(request, recipe, prior, ports, {}, limits=ports.limits, constrain=constrain)
    _know(calls, context)
    photos: dict[int, PhotoResult] = {}

    def done(index: int, result: PhotoResult) -> None:
        if on_photo is None:
            photos[index] = result
        else:
            on_photo(index, result)

    seconds: dict[str, float] = defaultdict(float)
    _do([call for call in calls if not _of_photo(call)], context, seconds)
    if isinstance(request, RestoreRequest):
        request = context.request = _with_references(request, context)
        for detects in _rounds(calls, recipe):
            _round(detects, request, context, seconds, done, on_calls, forget=forget)
    return Result(
        photos=tuple(photos[index] for index in sorted(photos)),
        checkpoint=context.output("finetune", SUBJECT) if ("finetune", SUBJECT) in context.hashes else None,
        album=_album_report(context),
        seconds={stage: round(value, 3) for stage, value in seconds.items()},
    )


def _with_references(request: RestoreRequest, context: Context) -> RestoreRequest:
    """The album of a request tells who its subject is, unless somebody said."""
    report = _album_report(context)
    kept = [photo for photo in report.photos if photo.kept and photo.embedding] if report else []
    if not kept or OWN in request.references:
        return request
    own = np.stack([np.frombuffer(photo.embedding, "<f4").astype(np.float64) for photo in kept])
    held_out = np.array([photo.held_out for photo in kept])
    judges = {OWN: own[held_out]} if held_out.any() else {}
    return replace(request, references={**request.references, OWN: own}, held_out={**request.held_out, **judges})


def _of_photo(call: StageCall) -> bool:
    return call.items[0].startswith("photo-")


def _know(calls: Iterable[StageCall], context: Context) -> None:
    for call in calls:
        context.hashes |= {(call.stage, item): key for item, key in zip(call.items, call.hashes, strict=True)}


def _rounds(calls: Sequence[StageCall], recipe: Recipe) -> list[list[StageCall]]:
    """Photos that are done together: all, for their batches.

    In the generative mode one by one, so that the first result does not wait for the last tuning.
    """
    detects = [call for call in calls if call.stage == "detect"]
    return [[call] for call in detects] if recipe.mode is Mode.GENERATIVE else [detects]


def _round(
    detects: Sequence[StageCall],
    request: RestoreRequest,
    context: Context,
    seconds: dict[str, float],
    done: OnPhoto,
    on_calls: OnCalls,
    *,
    forget: bool,
) -> None:
    """Find the faces of some photos, then restore them."""
    for call in detects:
        index = call.sources[0]
        _do([call], context, seconds)
        if ("detect", photo_item(index)) in context.errors:
            done(index, photo_result(index, request, context))
        else:
            context.photos[index] = _faces_of(index, request, context, seconds)
    context.drop_photo()
    photos = [context.photos[call.sources[0]] for call in detects if call.sources[0] in context.photos]
    calls = restoring_calls(photos, request, context.recipe, context.prior.spec, context.hashes)
    _know(calls, context)
    on_calls(calls)
    scored = _scored(calls, context.ports.store)
    for call in calls:
        if not _only_for(scored, call):
            _do([call], context, seconds)
        if call.stage == "composite" and not call.faces:
            done(call.sources[0], photo_result(call.sources[0], request, context))
        elif call.stage == "composite" and forget:
            face = (call.sources[0], call.faces[0])
            scored.add(face)
            _forget(face, [one for one in calls if _only_for(scored, one)], context.ports.store)


def _faces_of(index: int, request: RestoreRequest, context: Context, seconds: dict[str, float]) -> PhotoFaces:
    """Cut a photo's faces out, and decide what becomes of each."""
    found = context.found(index)
    spec, recipe = context.prior.spec, context.recipe
    calls = align_calls(index, request.photos[index], found, request, recipe, spec)
    _know(calls, context)
    _do(calls, context, seconds)
    vectors, noise_steps = {}, {}
    for face in found.faces:
        item = face_item(index, face.n)
        if face.wanted and (index, face.n) not in context.failed:
            embedding = unpack(context.output("align", item))[0].get("embedding")
            if embedding is not None:
                vectors[face.n] = embedding
            chosen = ("align", f"{item}-{NOISE_STEPS}")
            if chosen in context.hashes:
                noise_steps[face.n] = int(unpack(context.output(*chosen))[1][NOISE_STEPS])
    proposals = recognised(found, vectors, request)
    found = with_checkpoints(found, proposals)
    fates = decide(found, vectors, request, recipe, spec.resolution)
    least = smallest_noise_steps(context.prior)
    clean = frozenset(n for n, steps in noise_steps.items() if steps == least)
    return PhotoFaces(index, found, fates, noise_steps, proposals, clean)


def _do(calls: Sequence[StageCall], context: Context, seconds: dict[str, float]) -> None:
    for call in calls:
        context.ports.cancel.check()
        begun = time.monotonic()
        if _run_call(call, context):
            seconds[call.stage] += time.monotonic() - begun


def _run_call(call: StageCall, context: Context) -> bool:
    """Run one call unless its outputs exist or cannot be made; say whether it ran.

    A batch is stored whole or not at all: results are equal bit for bit only at equal batch shape.
    """
    call = without(call, context.failed)
    if not call.items:
        return False
    keys = list(zip(call.items, call.hashes, strict=True))
    if all(context.ports.store.get(call.stage, item, key) is not None for item, key in keys):
        context.ports.progress.report(call.stage, call.items[0], 1, 1)
        return False
    try:
        outputs = _make(call, context)
    except (BadInputError, CheckpointError) as error:
        if not _fails_alone(error, call):
            raise
        context.errors |= {(call.stage, item): error for item in call.items}
        context.failed |= dict.fromkeys(zip(call.sources, call.faces, strict=False), error)
        return True
    for (item, key), data in zip(keys, outputs, strict=True):
        context.ports.store.put(call.stage, item, key, data)
    context.discard_resume_states()
    return True


def _fails_alone(error: HeirloomError, call: StageCall) -> bool:
    """Whether an error is about what a call works on, and not about the request or the store."""
    if isinstance(error, CheckpointError):
        own = call.stage == "finetune" or call.checkpoint_id is not None
        return bool(call.faces) and own and not error.retryable
    return not isinstance(error, AlbumTooSmallError) and call.stage != "curate"


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


_FOR_ONE_FACE = ("album", "finetune", "restore")


def _scored(calls: Iterable[StageCall], store: ArtifactStore) -> set[tuple[int, int]]:
    """Faces whose candidates an earlier run finished: what those came from need not exist any more."""
    scored = (call for call in calls if call.stage == "composite" and call.faces)
    return {
        (call.sources[0], call.faces[0])
        for call in scored
        if store.get("composite", call.items[0], call.hashes[0]) is not None
    }


def _only_for(faces: set[tuple[int, int]], call: StageCall) -> bool:
    """Whether a call makes something that only these faces' scored candidates are made of."""
    return call.stage in _FOR_ONE_FACE and faces.issuperset(zip(call.sources, call.faces, strict=False))


def _forget(face: tuple[int, int], calls: Iterable[StageCall], store: ArtifactStore) -> None:
    """Drop what a face was made of; what was scored stays, for a run that is stopped later."""
    for call in calls:
        if face in zip(call.sources, call.faces, strict=False):
            for item, key in zip(call.items, call.hashes, strict=True):
                store.discard(call.stage, item, key)


def _album_report(context: Context) -> CurationReport | None:
    if ("curate", SUBJECT) not in context.hashes:
        return None
    return unpack_report(context.output("curate", SUBJECT))
