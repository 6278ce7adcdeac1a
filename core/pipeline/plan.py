"""What a request needs: stage calls in order, each with the hash of everything that decides its outcome.

A plan is made from hashes alone: no file is decoded and no weight is loaded, so wrong numbers are refused at once.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from core.domain.errors import AlbumTooSmallError, InvalidRecipeError, InvalidRequestError
from core.domain.mode import Mode
from core.domain.subject import MIN_ALBUM_PHOTOS
from core.pipeline.request import Photo, RestoreRequest, TuneRequest
from core.priors.fit import check_recipe
from core.priors.spec import PriorSpec
from core.recipes.schema import MAX_CANDIDATES, Recipe

SUBJECT = "subject"
_T = TypeVar("_T")


@dataclass(frozen=True)
class StageCall:
    """One stage on one or several items at once.

    Attributes:
        stage: align, curate, album, finetune, restore, composite.
        items: what it makes; several are one batch on the device.
        hashes: for each item, the hash of its inputs, recipe, prior and seed.
        needs: the calls whose output it reads, as (stage, item).
        sources: which photos it works on, as indices into the request's.
        candidates: for restore and composite, the candidate number of each item.
        images: for album, which of the album's images this batch makes.
    """

    stage: str
    items: tuple[str, ...]
    hashes: tuple[str, ...]
    needs: tuple[tuple[str, str], ...] = ()
    sources: tuple[int, ...] = ()
    candidates: tuple[int, ...] = ()
    images: range = range(0)

    def only(self, places: Sequence[int]) -> "StageCall":
        """The same call for some of its items, by their places in ascending order; of an album, places in a row."""

        def pick(values: tuple[_T, ...]) -> tuple[_T, ...]:
            return tuple(values[place] for place in places) if len(values) == len(self.items) else values

        return replace(
            self,
            items=pick(self.items),
            hashes=pick(self.hashes),
            sources=pick(self.sources),
            candidates=pick(self.candidates),
            images=self.images[places[0] : places[-1] + 1] if self.images and places else self.images,
        )

    def halves(self) -> tuple["StageCall", "StageCall"]:
        """The same call as two, one after the other."""
        places = range(len(self.items))
        return self.only(places[: len(places) // 2]), self.only(places[len(places) // 2 :])


def _hash(*parts: object) -> str:
    return hashlib.sha256("\n".join(str(part) for part in parts).encode()).hexdigest()


def carried_out(request: RestoreRequest | TuneRequest, recipe: Recipe) -> Recipe:
    """A recipe as it is carried out: a tuning that belongs to the request sees every timestep its restoration visits.

    Args:
        request: what is wanted; with a ready checkpoint nothing is tuned.
        recipe: as chosen.
    """
    ready = isinstance(request, RestoreRequest) and request.checkpoint is not None
    return recipe if ready else recipe.tuned_up_to_k()


def plan(request: RestoreRequest | TuneRequest, recipe: Recipe, spec: PriorSpec) -> tuple[StageCall, ...]:
    """Say what a request needs.

    Args:
        request: what is wanted.
        recipe: the numbers; its mode decides the stages.
        spec: the prior's description.

    Raises:
        InvalidRecipeError: the recipe does not fit the prior or the request.
        AlbumTooSmallError: the album cannot be enough, whatever its photos show.
        InvalidRequestError: the request contradicts itself, or lacks what its mode needs.
    """
    recipe = carried_out(request, recipe)
    check_recipe(recipe, spec)
    if isinstance(request, TuneRequest):
        if recipe.finetune is None:
            raise InvalidRecipeError("Tuning needs a recipe with a finetune part.", "Choose a personal recipe.")
        return tuple(_tune_calls(request.album, recipe, spec, request.seed))
    _check_request(request, recipe)
    if recipe.mode is Mode.GENERATIVE:
        return tuple(_generative_calls(request, recipe, spec))
    calls: list[StageCall] = []
    constraint = "none"
    needs: tuple[tuple[str, str], ...] = ()
    if recipe.mode is Mode.PERSONAL and request.checkpoint is not None:
        constraint = hashlib.sha256(request.checkpoint).hexdigest()
    elif recipe.mode is Mode.PERSONAL:
        calls = _tune_calls(request.album, recipe, spec, request.seed)
        constraint = calls[-1].hashes[0]
        needs = (("finetune", SUBJECT),)
    aligned = [_align_call(photo, index, "photo") for index, photo in enumerate(request.photos)]
    calls += aligned
    calls += _restore_calls(request, recipe, spec, range(len(request.photos)), aligned, constraint, needs)
    return tuple(calls)


def _check_request(request: RestoreRequest, recipe: Recipe) -> None:
    if not request.photos:
        raise InvalidRequestError("There is no photo to restore.", "Name at least one.")
    if not 1 <= request.candidates <= MAX_CANDIDATES:
        raise InvalidRecipeError(
            f"candidates is {request.candidates}, allowed is at least 1 and at most {MAX_CANDIDATES}."
        )
    has_anchors = request.checkpoint is not None or bool(request.album)
    if recipe.mode is Mode.PERSONAL and not has_anchors:
        raise InvalidRequestError(
            "The personal mode needs a checkpoint or an album.",
            "Tune once with `heirloom tune ALBUM -o FILE.safetensors`, then give --checkpoint FILE.safetensors.",
        )
    if recipe.mode is not Mode.PERSONAL and has_anchors:
        raise InvalidRequestError(
            f"A checkpoint or an album belongs to the personal mode, not to {recipe.mode}.", "Leave one of them out."
        )
    if request.checkpoint is not None and request.album:
        raise InvalidRequestError(
            "A checkpoint and an album were given, and a checkpoint has been tuned already.", "Leave one of them out."
        )


def _align_call(photo: Photo, index: int, kind: str) -> StageCall:
    return StageCall("align", (f"{kind}-{index}",), (_hash("align", photo.sha256),), sources=(index,))


def _tune_calls(album: Sequence[Photo], recipe: Recipe, spec: PriorSpec, seed: int) -> list[StageCall]:
    if len(album) < MIN_ALBUM_PHOTOS:
        raise AlbumTooSmallError(
            f"The album has {_count(len(album))}; tuning needs at least {MIN_ALBUM_PHOTOS}.",
            "About twenty varied photos of the person are best; with none, restore in the generative mode.",
        )
    aligned = [_align_call(photo, index, "album") for index, photo in enumerate(album)]
    curated = _hash("curate", spec.resolution, *(call.hashes[0] for call in aligned))
    tuned = _hash("finetune", curated, recipe.finetune.digest() if recipe.finetune else "", spec.sha256, seed)
    needs = tuple(("align", call.items[0]) for call in aligned)
    return [
        *aligned,
        StageCall("curate", (SUBJECT,), (curated,), needs, tuple(range(len(album)))),
        StageCall("finetune", (SUBJECT,), (tuned,), (("curate", SUBJECT),)),
    ]


def _count(photos: int) -> str:
    return {0: "no photos", 1: "one photo"}.get(photos, f"{photos} photos")


def _generative_calls(request: RestoreRequest, recipe: Recipe, spec: PriorSpec) -> list[StageCall]:
    """Photo by photo, so that the first result does not wait for the last tuning."""
    album = recipe.album
    if album is None or recipe.finetune is None:
        raise InvalidRecipeError("A generative recipe needs an album and a finetune part.")
    calls: list[StageCall] = []
    for index, photo in enumerate(request.photos):
        item = f"photo-{index}"
        seed = request.seed_of(index)
        align = _align_call(photo, index, "photo")
        sampled = _hash("album", align.hashes[0], album.digest(), spec.sha256, seed)
        batches = [range(i, min(i + album.batch, album.images)) for i in range(0, album.images, album.batch)]
        albums = [
            StageCall(
                "album",
                tuple(f"{item}-anchor-{i}" for i in batch),
                tuple(_hash(sampled, i) for i in batch),
                (("align", item),),
                (index,),
                images=batch,
            )
            for batch in batches
        ]
        tuned = _hash("finetune", sampled, recipe.finetune.digest(), spec.sha256, seed)
        needs = tuple(("album", anchor) for call in albums for anchor in call.items)
        finetune = StageCall("finetune", (item,), (tuned,), needs, (index,))
        restore = _restore_calls(request, recipe, spec, range(index, index + 1), [align], tuned, (("finetune", item),))
        calls += [align, *albums, finetune, *restore]
    return calls


def _restore_calls(
    request: RestoreRequest,
    recipe: Recipe,
    spec: PriorSpec,
    indices: range,
    aligned: list[StageCall],
    constraint: str,
    needs: tuple[tuple[str, str], ...],
) -> list[StageCall]:
    """Batches over (photo, candidate), each photo composited as soon as its batch is done."""
    jobs = [(index, candidate) for index in indices for candidate in range(request.candidates)]
    hashes = {index: call.hashes[0] for index, call in zip(indices, aligned, strict=True)}
    numbers = (recipe.restore.model_copy(update={"batch": 1}).digest(), constraint, spec.sha256)
    calls: list[StageCall] = []
    for begin in range(0, len(jobs), recipe.restore.batch):
        batch = jobs[begin : begin + recipe.restore.batch]
        items = tuple(f"photo-{index}-{candidate}" for index, candidate in batch)
        restored = tuple(
            _hash("restore", hashes[index], candidate, *numbers, request.seed_of(index)) for index, candidate in batch
        )
        photos = tuple(dict.fromkeys(index for index, _ in batch))
        align_needs = tuple(("align", f"photo-{index}") for index in photos)
        candidates = tuple(candidate for _, candidate in batch)
        sources = tuple(index for index, _ in batch)
        calls.append(StageCall("restore", items, restored, (*needs, *align_needs), sources, candidates))
        calls += [
            StageCall(
                "composite",
                (item,),
                (_hash("composite", key, request.native),),
                (("restore", item), ("align", f"photo-{index}")),
                (index,),
                (candidate,),
            )
            for item, key, (index, candidate) in zip(items, restored, batch, strict=True)
        ]
    return calls
