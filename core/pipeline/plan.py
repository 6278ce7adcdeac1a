"""What a request needs: stage calls in order, each with the hash of everything that decides its outcome.

A plan is made from hashes alone: no file is decoded and no weight is loaded, so wrong numbers are refused at once. What
lies between finding a photo's faces and putting them back is planned once they are known: `core.pipeline.expansion`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from core.domain.errors import AlbumTooSmallError, InvalidRecipeError, InvalidRequestError
from core.domain.mode import Mode
from core.domain.subject import MIN_ALBUM_PHOTOS
from core.pipeline.request import RestoreRequest, TuneRequest
from core.pipeline.wishes import check_wishes, every_face_names_its_own
from core.priors.fit import check_recipe
from core.priors.spec import PriorSpec
from core.recipes.schema import MAX_CANDIDATES, Recipe, RestoreRecipe

SUBJECT = "subject"
_T = TypeVar("_T")


@dataclass(frozen=True)
class StageCall:
    """One stage on one or several items at once.

    Attributes:
        stage: detect, align, curate, album, finetune, restore, composite.
        items: what it makes; several are one batch on the device.
        hashes: for each item, the hash of its inputs, recipe, prior and seed.
        needs: the calls whose output it reads, as (stage, item).
        sources: which photos it works on, as indices into the request's.
        candidates: for restore, the candidate number of each item.
        images: for album, which of the album's images this batch makes.
        faces: which faces of those photos; empty where it works on whole photos.
        numbers: for restore, how.
        checkpoint_id: for restore, of the checkpoint that its faces name.
    """

    stage: str
    items: tuple[str, ...]
    hashes: tuple[str, ...]
    needs: tuple[tuple[str, str], ...] = ()
    sources: tuple[int, ...] = ()
    candidates: tuple[int, ...] = ()
    images: range = range(0)
    faces: tuple[int, ...] = ()
    numbers: RestoreRecipe | None = None
    checkpoint_id: str | None = None

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
            faces=pick(self.faces),
            images=self.images[places[0] : places[-1] + 1] if self.images and places else self.images,
        )

    def halves(self) -> tuple["StageCall", "StageCall"]:
        """The same call as two, one after the other."""
        places = range(len(self.items))
        return self.only(places[: len(places) // 2]), self.only(places[len(places) // 2 :])


def hash_of(*parts: object) -> str:
    """The hash of what decides an outcome, hexadecimal."""
    return hashlib.sha256("\n".join(str(part) for part in parts).encode()).hexdigest()


def sha256_of(data: bytes) -> str:
    """Of bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def photo_item(index: int) -> str:
    """What a photo is called in a plan."""
    return f"photo-{index}"


def face_item(index: int, n: int) -> str:
    """What a face of a photo is called in a plan."""
    return f"photo-{index}-face-{n}"


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
        return tuple(_tune_calls(request, recipe, spec))
    _check_request(request, recipe)
    check_wishes(request, recipe)
    if request.personal_recipe is not None:
        check_recipe(request.personal_recipe, spec)
    calls: list[StageCall] = []
    if recipe.mode is Mode.PERSONAL and request.album:
        calls = _tune_calls(request, recipe, spec)
    return (*calls, *_photo_calls(request, recipe, spec))


def _check_request(request: RestoreRequest, recipe: Recipe) -> None:
    if not request.photos:
        raise InvalidRequestError("There is no photo to restore.", "Name at least one.")
    if not 1 <= request.candidates <= MAX_CANDIDATES:
        raise InvalidRecipeError(
            f"candidates is {request.candidates}, allowed is at least 1 and at most {MAX_CANDIDATES}."
        )
    has_anchors = request.checkpoint is not None or bool(request.album)
    if recipe.mode is Mode.PERSONAL and not has_anchors and not every_face_names_its_own(request):
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


def _photo_calls(request: RestoreRequest, recipe: Recipe, spec: PriorSpec) -> list[StageCall]:
    """For each photo, what comes first and what comes last; what lies between depends on the faces that are found."""
    numbers = recipe.model_copy(update={"restore": recipe.restore.model_copy(update={"batch": 1})})
    own = request.personal_recipe.digest() if request.personal_recipe else ""
    tuned = [sha256_of(request.checkpoint or b""), *(f"{photo.sha256}:{photo.wanted}" for photo in request.album)]
    tuned += [f"{key}:{request.checkpoint_sha256(key)}" for key in sorted(request.checkpoints)]
    wanted = (request.candidates, request.native, request.colour, request.recognise)
    written = (request.file_format, request.keep_metadata)
    everything = (numbers.digest(), own, spec.sha256, *tuned, *request.known_hashes, *wanted, *written)
    calls: list[StageCall] = []
    for index, photo in enumerate(request.photos):
        item = (photo_item(index),)
        wishes = None if photo.faces is None else [sorted(wish.as_json().items()) for wish in photo.faces]
        found = hash_of("detect", photo.sha256, request.category, request.finder.name, wishes)
        composite = hash_of("composite", found, request.seed_of(index), *everything)
        calls.append(StageCall("detect", item, (found,), sources=(index,)))
        calls.append(StageCall("composite", item, (composite,), (("detect", item[0]),), (index,)))
    return calls


def _tune_calls(request: RestoreRequest | TuneRequest, recipe: Recipe, spec: PriorSpec) -> list[StageCall]:
    album, tuning = request.album, recipe.finetune
    if len(album) < MIN_ALBUM_PHOTOS:
        raise AlbumTooSmallError(
            f"The album has {_count(len(album))}; tuning needs at least {MIN_ALBUM_PHOTOS}.",
            "About twenty varied photos of the person are best; with none, restore in the generative mode.",
        )
    looked_at = [
        hash_of("look", photo.sha256, request.category, request.finder.name, spec.resolution) for photo in album
    ]
    aligned = [StageCall("align", (f"album-{index}",), (key,), sources=(index,)) for index, key in enumerate(looked_at)]
    scored = tuning is not None and tuning.scorings > 0
    wanted = [int(photo.wanted) for photo in album]
    curated = hash_of("curate", spec.resolution, request.category, scored, wanted, *looked_at)
    # Held-out photos are restored from K: it decides which step is the best.
    noise_steps = recipe.restore.noise_steps if scored else 0
    tuned = hash_of("finetune", curated, tuning.digest() if tuning else "", noise_steps, spec.sha256, request.seed)
    needs = tuple(("align", call.items[0]) for call in aligned)
    return [
        *aligned,
        StageCall("curate", (SUBJECT,), (curated,), needs, tuple(range(len(album)))),
        StageCall("finetune", (SUBJECT,), (tuned,), (("curate", SUBJECT),)),
    ]


def _count(photos: int) -> str:
    return {0: "no photos", 1: "one photo"}.get(photos, f"{photos} photos")
