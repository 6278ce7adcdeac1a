"""From what the stages of a photo made to what became of it."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from core.domain.errors import BadInputError, HeirloomError, IdentityLostError, LooksCleanError
from core.domain.face import FaceVerdict
from core.imaging.original.saving import SavedPhoto
from core.pipeline.artifacts import unpack
from core.pipeline.expansion import PhotoFaces, numbers_of
from core.pipeline.fates import LOOKS_CLEAN, UNLIKE_THE_SUBJECT
from core.pipeline.found import FoundFace
from core.pipeline.plan import face_item, photo_item
from core.pipeline.request import Candidate, FaceResult, PhotoResult, RestoreRequest
from core.pipeline.stages import Context
from core.pipeline.stages.composite import grain_seed


def photo_result(index: int, request: RestoreRequest, context: Context) -> PhotoResult:
    """What became of a photo whose last stage is done, or which failed on the way."""
    label = request.photos[index].label
    error = context.errors.get(("detect", photo_item(index))) or context.errors.get(("composite", photo_item(index)))
    if error is not None:
        return PhotoResult(label, error=error)
    photo = context.photos[index]
    arrays, about = unpack(context.output("composite", photo_item(index)))
    saved = SavedPhoto(arrays["photo"].tobytes(), about["file_format"], about["suffix"], about["media_type"])
    faces = tuple(_face_result(face, photo, request, context) for face in photo.found.faces)
    warnings = (*photo.fates.warnings, *_warnings(faces))
    return PhotoResult(label, faces, saved, about["width"], about["height"], warnings)


def _face_result(face: FoundFace, photo: PhotoFaces, request: RestoreRequest, context: Context) -> FaceResult:
    index, key = photo.index, (photo.index, face.n)
    aligned = ("align", face_item(index, face.n))
    cut_out = aligned in context.hashes and aligned not in context.errors
    failed = context.failed.get(key)
    verdict = FaceVerdict.FAILED if failed else photo.fates.verdicts.get(face.n)
    candidates: list[Candidate] = []
    identity = noise_steps = None
    selected: int | None = None
    if verdict is None:
        _, values = unpack(context.output("composite", face_item(index, face.n)))
        for place, numbers in enumerate(values["scores"]):
            candidates.append(Candidate(numbers, partial(_picture, context, face_item(index, face.n), place)))
        verdict = FaceVerdict.KEEP_ORIGINAL if values["keep_original"] else FaceVerdict.RESTORED
        identity, selected = values["identity"], 0
        noise_steps = photo.noise_steps.get(face.n, numbers_of(face, request, context.recipe).noise_steps)
    notes = photo.fates.notes.get(face.n, ())
    if verdict in (FaceVerdict.RESTORED, FaceVerdict.KEEP_ORIGINAL) and face.n in photo.clean:
        notes = (*notes, LOOKS_CLEAN)
    return FaceResult(
        n=face.n,
        quad=face.quad,
        outline=face.outline,
        box=face.box,
        eye_distance_pixels=face.eye_distance_pixels,
        source=face.source,
        verdict=verdict,
        notes=notes,
        noise_steps=noise_steps,
        checkpoint_id=face.checkpoint_id,
        proposal=None if face.n not in photo.proposals else photo.proposals[face.n][:2],
        identity=identity,
        seed=grain_seed(context, index, face.n) if cut_out else 0,
        cut_out=partial(context.crop, index, face.n) if cut_out else None,
        candidates=tuple(candidates),
        selected="original" if verdict is FaceVerdict.KEEP_ORIGINAL else selected,
        error=failed or face.error,
    )


def _picture(context: Context, item: str, place: int, kind: str) -> np.ndarray:
    picture: np.ndarray = unpack(context.output("composite", item))[0][f"{kind}-{place}"]
    return picture


def _warnings(faces: Sequence[FaceResult]) -> Iterator[HeirloomError]:
    yield from (error for face in faces if (error := _warning(face)) is not None)
    restored = [face for face in faces if face.verdict is FaceVerdict.RESTORED]
    if restored and all(LOOKS_CLEAN in face.notes for face in restored):
        yield LooksCleanError(
            "To this prior the faces look clean already, and were hardly changed.",
            "Where they are not, name a K: noise_steps, -k; 106 is what a damaged face gets from a quick recipe.",
        )


def _warning(face: FaceResult) -> HeirloomError | None:
    """What a person should know of one face; too small ones are counted elsewhere."""
    if face.verdict is FaceVerdict.FAILED and face.error is not None:
        return type(face.error)(f"Face {face.n} stays as it was: {face.error.message}", face.error.advice)
    if face.verdict is FaceVerdict.RESTORED and UNLIKE_THE_SUBJECT in face.notes:
        return BadInputError(
            f"Face {face.n} was restored as the subject, and is not surely theirs by the album.",
            "If it shows somebody else, restore it without the subject.",
        )
    if face.verdict is FaceVerdict.KEEP_ORIGINAL:
        return IdentityLostError(
            f"Face {face.n} stays as it was: restored, it is less like its person than before.",
            "Look at its candidates, and choose one if you think otherwise.",
        )
    return None
