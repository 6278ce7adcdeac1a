"""What a request needs once its photos' faces are known: the calls between finding them and putting them back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from core.domain.errors import InvalidRecipeError
from core.domain.mode import Mode
from core.imaging.who import Guess
from core.pipeline.fates import Fates
from core.pipeline.found import FoundFace, FoundFaces
from core.pipeline.plan import SUBJECT, StageCall, face_item, hash_of, photo_item, sha256_of
from core.pipeline.request import Photo, RestoreRequest
from core.priors.spec import PriorSpec
from core.recipes.schema import AlbumRecipe, FinetuneRecipe, Recipe, RestoreRecipe

NOISE_STEPS = "noise-steps"
"""Ends the name of what the align stage says beside a face's crop: its own K."""

Hashes = Mapping[tuple[str, str], str]


@dataclass(frozen=True, eq=False)
class PhotoFaces:
    """A photo whose faces are cut out.

    Attributes:
        index: of the photo.
        found: its faces.
        fates: what is to become of them.
        noise_steps: K by face, where each has its own.
        proposals: by face, whom it is likest to, where faces are recognised.
        clean: faces that look clean to the prior: they have the smallest K, and no album is made for them.
    """

    index: int
    found: FoundFaces
    fates: Fates
    noise_steps: Mapping[int, int]
    proposals: Mapping[int, Guess] = field(default_factory=dict)
    clean: frozenset[int] = frozenset()

    @property
    def restored(self) -> list[FoundFace]:
        """The faces that are to be restored."""
        return [face for face in self.found.faces if face.n not in self.fates.verdicts]


@dataclass(frozen=True)
class _Work:
    """One face to be restored: what its batch must share, and what it needs."""

    photo: int
    n: int
    crop: str
    numbers: RestoreRecipe
    constraint: str
    checkpoint_id: str | None
    before: tuple[StageCall, ...]
    need: tuple[tuple[str, str], ...]

    @property
    def batch_key(self) -> tuple[str, str]:
        return self.constraint, self.numbers.digest()


def align_calls(
    index: int, photo: Photo, found: FoundFaces, request: RestoreRequest, recipe: Recipe, spec: PriorSpec
) -> list[StageCall]:
    """Cut out each face that can be, and choose its K where each has its own.

    A face's noise is drawn for what is cut out, which the hash here names: not for its number or its company.
    """
    calls = []
    for face in found.faces:
        if face.verdict is None:
            square = [] if face.quad is None else [sha256_of(face.quad.tobytes())]
            item, crop = face_item(index, face.n), hash_of("align", photo.sha256, *square)
            call = StageCall("align", (item,), (crop,), (("detect", photo_item(index)),), (index,), faces=(face.n,))
            calls.append(call)
            if numbers_of(face, request, recipe).by_photo and face.wanted:
                most = numbers_of(face, request, recipe).noise_steps
                chosen = hash_of(NOISE_STEPS, crop, most, spec.sha256)
                item, needs = f"{item}-{NOISE_STEPS}", (("align", item),)
                calls.append(StageCall("align", (item,), (chosen,), needs, (index,), faces=(face.n,)))
    return calls


def numbers_of(face: FoundFace, request: RestoreRequest, recipe: Recipe) -> RestoreRecipe:
    """How a face is restored: by the request's recipe, or by the personal one if it names a checkpoint."""
    own = face.checkpoint_id is not None and recipe.mode is not Mode.PERSONAL and request.personal_recipe is not None
    return request.personal_recipe.restore if own and request.personal_recipe else recipe.restore


def restoring_calls(
    photos: Sequence[PhotoFaces], request: RestoreRequest, recipe: Recipe, spec: PriorSpec, hashes: Hashes
) -> list[StageCall]:
    """Restore faces in batches over (photo, face, candidate), and put each photo together with its last face.

    A batch shares the checkpoint that constrains the prior, and K.

    Args:
        photos: those of one round.
        request: what is wanted.
        recipe: the numbers.
        spec: the prior's description.
        hashes: of what was planned before: crops, tuning, each photo's composite.
    """
    waiting = {photo.index: {face.n for face in photo.restored} for photo in photos}
    calls = [_put_back(photo, hashes) for photo in photos if not waiting[photo.index]]
    by_index = {photo.index: photo for photo in photos}
    groups: dict[tuple[str, str], list[_Work]] = {}
    for photo in photos:
        for face in photo.restored:
            work = _work(photo, face, request, recipe, spec, hashes)
            groups.setdefault(work.batch_key, []).append(work)
    for group in groups.values():
        calls += [call for work in group for call in work.before]
        for call in _in_batches(group, request, spec):
            calls.append(call)
            if call.stage == "composite":
                index = call.sources[0]
                waiting[index].discard(call.faces[0])
                if not waiting[index]:
                    calls.append(_put_back(by_index[index], hashes))
    return calls


def _put_back(photo: PhotoFaces, hashes: Hashes) -> StageCall:
    item = photo_item(photo.index)
    return StageCall("composite", (item,), (hashes["composite", item],), (("detect", item),), (photo.index,))


def _work(
    photo: PhotoFaces, face: FoundFace, request: RestoreRequest, recipe: Recipe, spec: PriorSpec, hashes: Hashes
) -> _Work:
    crop = hashes["align", face_item(photo.index, face.n)]
    numbers = numbers_of(face, request, recipe)
    if face.n in photo.noise_steps:
        numbers = numbers.model_copy(update={"noise_steps": photo.noise_steps[face.n]})
    before: tuple[StageCall, ...] = ()
    need: tuple[tuple[str, str], ...] = ()
    if face.checkpoint_id is not None:
        constraint = request.checkpoint_sha256(face.checkpoint_id)
    elif recipe.mode is Mode.GENERATIVE and face.n not in photo.clean:
        before = tuple(_generative_calls(photo.index, face.n, crop, request.seed_of(photo.index), recipe, spec))
        constraint, need = before[-1].hashes[0], (("finetune", before[-1].items[0]),)
    elif recipe.mode is Mode.PERSONAL and request.checkpoint is not None:
        constraint = sha256_of(request.checkpoint)
    elif recipe.mode is Mode.PERSONAL:
        constraint, need = hashes["finetune", SUBJECT], (("finetune", SUBJECT),)
    else:
        constraint = "none"
    return _Work(photo.index, face.n, crop, numbers, constraint, face.checkpoint_id, before, need)


def _generative_calls(index: int, n: int, crop: str, seed: int, recipe: Recipe, spec: PriorSpec) -> Iterator[StageCall]:
    """One face's album and its tuning."""
    album, finetune = _generative_parts(recipe)
    item = face_item(index, n)
    sampled = hash_of("album", crop, album.digest(), spec.sha256, seed)
    anchors: list[str] = []
    for begin in range(0, album.images, album.batch):
        batch = range(begin, min(begin + album.batch, album.images))
        items = tuple(f"{item}-anchor-{k}" for k in batch)
        keys = tuple(hash_of(sampled, k) for k in batch)
        yield StageCall("album", items, keys, (("align", item),), (index,), images=batch, faces=(n,))
        anchors += items
    tuned = hash_of("finetune", sampled, finetune.digest(), spec.sha256, seed)
    needs = tuple(("album", anchor) for anchor in anchors)
    yield StageCall("finetune", (item,), (tuned,), needs, (index,), faces=(n,))


def _generative_parts(recipe: Recipe) -> tuple[AlbumRecipe, FinetuneRecipe]:
    if recipe.album is None or recipe.finetune is None:
        raise InvalidRecipeError("A generative recipe needs an album and a finetune part.")
    return recipe.album, recipe.finetune


def _in_batches(group: Sequence[_Work], request: RestoreRequest, spec: PriorSpec) -> Iterator[StageCall]:
    """Each face is scored as soon as the batch with its last candidate is done."""
    numbers = group[0].numbers
    jobs = [(work, candidate) for work in group for candidate in range(request.candidates)]
    digest = numbers.model_copy(update={"batch": 1}).digest()
    keys: dict[tuple[int, int], list[str]] = {}
    for begin in range(0, len(jobs), numbers.batch):
        batch = jobs[begin : begin + numbers.batch]
        restored = tuple(
            hash_of("restore", work.crop, candidate, digest, work.constraint, spec.sha256, request.seed_of(work.photo))
            for work, candidate in batch
        )
        crops = tuple(dict.fromkeys(("align", face_item(work.photo, work.n)) for work, _ in batch))
        yield StageCall(
            "restore",
            tuple(f"{face_item(work.photo, work.n)}-{candidate}" for work, candidate in batch),
            restored,
            (*group[0].need, *crops),
            tuple(work.photo for work, _ in batch),
            tuple(candidate for _, candidate in batch),
            faces=tuple(work.n for work, _ in batch),
            numbers=numbers,
            checkpoint_id=group[0].checkpoint_id,
        )
        for key, (work, candidate) in zip(restored, batch, strict=True):
            keys.setdefault((work.photo, work.n), []).append(key)
            if candidate == request.candidates - 1:
                yield _scored(work, keys[work.photo, work.n], request)


def _scored(work: _Work, restored: Sequence[str], request: RestoreRequest) -> StageCall:
    item = face_item(work.photo, work.n)
    key = hash_of("composite", *restored, request.native, request.colour, request.category, *request.known_hashes)
    needs = (("align", item), *(("restore", f"{item}-{candidate}") for candidate in range(request.candidates)))
    return StageCall("composite", (item,), (key,), needs, (work.photo,), faces=(work.n,))


def without(call: StageCall, failed: Mapping[tuple[int, int], object]) -> StageCall:
    """A call for faces, without those that have failed."""
    if not call.faces or not failed:
        return call
    if len(call.items) != len(call.faces):  # an album's anchors: all of one face
        return replace(call, items=(), hashes=()) if (call.sources[0], call.faces[0]) in failed else call
    pairs = zip(call.sources, call.faces, strict=True)
    return call.only([place for place, pair in enumerate(pairs) if pair not in failed])
