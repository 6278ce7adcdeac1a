"""Restored faces brought to their size and scored; and the photo put together with the best of each."""

import numpy as np

from core.diffusion.seeds import derive_seed
from core.domain.face import LEFT_ALONE
from core.imaging.recompose import KeptFace, OutputWish, RestoredFace, face_picture, recompose
from core.imaging.resize import resize
from core.imaging.who import identity_to_references
from core.pipeline.artifacts import pack, unpack
from core.pipeline.fates import judges_of
from core.pipeline.plan import StageCall, face_item
from core.pipeline.quality import Before, best_first, scores, stays_the_original
from core.pipeline.request import RestoreRequest
from core.pipeline.stages.context import Context

_GRAIN_SEED_BITS = 31
"""Seeds are handed out as JSON, which other programs read into 32 or 53 bits."""


def handle(call: StageCall, context: Context) -> list[bytes]:
    """Score one face's candidates, or put a photo together."""
    request = context.request
    if not isinstance(request, RestoreRequest):
        raise TypeError("a tune request restores nothing")
    made = _face(call, context, request) if call.faces else _photo(call.sources[0], context, request)
    context.report(call, 1, 1)
    return [made]


def grain_seed(context: Context, index: int, n: int) -> int:
    """Of the grain that a face gets in its photo: it belongs to what is cut out, as the face's noise does."""
    seed = context.photo("photo", index).seed
    own = context.request.seed if seed is None else seed
    return derive_seed(own, "grain", context.hashes["align", face_item(index, n)]) >> (63 - _GRAIN_SEED_BITS)


def _face(call: StageCall, context: Context, request: RestoreRequest) -> bytes:
    """Candidates at the crop's size with the photo's own detail, best first, with their scores."""
    arrays, values = unpack(context.output(*call.needs[0]))
    crop, vector = arrays["crop"], arrays.get("embedding")
    face = context.photos[call.sources[0]].found.faces[call.faces[0]]
    references = judges_of(face, request, context.recipe)
    natives = [unpack(context.output(*need))[0]["native"] for need in call.needs[1:]]
    before = Before(context.prior, crop, resize(crop, natives[0].shape[0]), vector, references)
    made = []
    for native in natives:
        grid = values.get("grid", 0.0)
        image = face_picture(native, crop, grid, request.colour, own_size=request.native)
        made.append((image, native, scores(before, image, native)))
        context.ports.cancel.check()
    made = [made[place] for place in best_first([numbers for _, _, numbers in made])]
    kept = {f"image-{place}": image for place, (image, _, _) in enumerate(made)}
    kept |= {f"native-{place}": native for place, (_, native, _) in enumerate(made)}
    identity = identity_to_references(vector, references) if vector is not None and references is not None else None
    about = {
        "scores": [numbers for _, _, numbers in made],
        "identity": identity,
        "keep_original": stays_the_original(made[0][2]),
    }
    return pack(kept, about)


def _photo(index: int, context: Context, request: RestoreRequest) -> bytes:
    """The photo as it came, with the best candidate of each restored face."""
    photo = context.photos[index]
    faces = []
    left_alone = {n for n, verdict in photo.fates.verdicts.items() if verdict in LEFT_ALONE}
    for face in photo.restored:
        if (index, face.n) not in context.failed:
            arrays, values = unpack(context.output("composite", face_item(index, face.n)))
            if values["keep_original"]:
                left_alone.add(face.n)
            else:
                seed = grain_seed(context, index, face.n)
                faces.append(RestoredFace(face.quad, face.outline, arrays["native-0"], seed))
    wish = OutputWish(request.file_format, request.keep_metadata, request.colour, request.native)
    kept = [
        KeptFace(face.quad, face.outline)
        for face in photo.found.faces
        if face.n in left_alone and face.quad is not None
    ]
    made = recompose(context.photo("photo", index).data, faces, wish, context.limits, kept)
    about = {
        "file_format": made.saved.file_format,
        "suffix": made.saved.suffix,
        "media_type": made.saved.media_type,
        "width": made.width,
        "height": made.height,
    }
    return pack({"photo": np.frombuffer(made.saved.data, dtype=np.uint8)}, about)
