"""Which of a photo's faces are restored, and from whose checkpoint: decided once the faces are cut out."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.domain.errors import BadInputError, FaceTooSmallError, HeirloomError, NoFaceDetectedError
from core.domain.face import FaceAction, FaceVerdict
from core.domain.mode import Mode
from core.imaging.faces import GOOD_EYE_DISTANCE_PIXELS
from core.imaging.who import who_is_it
from core.pipeline.found import FoundFace, FoundFaces
from core.pipeline.request import OWN, RestoreRequest
from core.pipeline.wishes import PERSON
from core.recipes.schema import Recipe

SMALL, LARGER_THAN_PRIOR, UNLIKE_THE_SUBJECT = "small", "larger_than_prior", "unlike_the_subject"
LOOKS_CLEAN = "looks_clean"
"""K was chosen by the face, and is the smallest: it was hardly changed, and no album was made for it."""
NONE_HELD_OUT = "none_held_out"
"""The identity is measured against photos that the checkpoint was tuned on, which flatters it."""


@dataclass(frozen=True, eq=False)
class Fates:
    """What is to become of a photo's faces.

    Attributes:
        verdicts: of those that are not restored, by number; the others are.
        notes: by number.
        warnings: about the photo.
    """

    verdicts: Mapping[int, FaceVerdict]
    notes: Mapping[int, tuple[str, ...]]
    warnings: tuple[HeirloomError, ...]


def decide(
    found: FoundFaces, vectors: Mapping[int, np.ndarray], request: RestoreRequest, recipe: Recipe, resolution: int
) -> Fates:
    """Say which faces are restored.

    Where one subject's checkpoint is for the whole request and a photo shows several people, it is for the face that is
    the subject's; for faces that somebody named it is in any case.

    Args:
        found: the photo's faces.
        vectors: embeddings of those to be restored, by number; none for other categories than people.
        request: what is wanted.
        recipe: the numbers, for its mode.
        resolution: the prior's.
    """
    verdicts = {face.n: _known_verdict(face) for face in found.faces if not face.wanted}
    warnings = _of_found(found)
    open_ones = [face for face in found.faces if face.wanted and not face.named]
    if recipe.mode is Mode.PERSONAL and request.category == PERSON and open_ones and len(found.faces) > 1:
        chosen = _subject(open_ones, _rivals(found), vectors, request, warnings)
        verdicts |= {face.n: FaceVerdict.NOT_THE_SUBJECT for face in open_ones if face.n != chosen}
    restored = [face for face in found.faces if face.n not in verdicts]
    notes = {face.n: _notes(face, vectors.get(face.n), request, recipe, resolution) for face in restored}
    return Fates(verdicts, notes, tuple(warnings))


def references_of(face: FoundFace, request: RestoreRequest, recipe: Recipe) -> np.ndarray | None:
    """Embeddings of the photos of the person that a face is restored as, [N, 128]; None where none are known."""
    key = _whose(face, recipe)
    return None if key is None else request.references.get(key)


def judges_of(face: FoundFace, request: RestoreRequest, recipe: Recipe) -> np.ndarray | None:
    """Of those the ones that its results are scored by: what no tuning saw, or all where there is no such photo."""
    held_out = request.held_out.get(_whose(face, recipe) or OWN)
    references = references_of(face, request, recipe)
    return references if references is None or held_out is None else held_out


def _whose(face: FoundFace, recipe: Recipe) -> str | None:
    """The key of the subject that a face is restored as; None where it is nobody's."""
    if face.checkpoint_id is not None:
        return face.checkpoint_id
    return OWN if recipe.mode is Mode.PERSONAL else None


def _known_verdict(face: FoundFace) -> FaceVerdict:
    return FaceVerdict.KEPT if face.action is FaceAction.KEEP else face.verdict or FaceVerdict.FAILED


def _of_found(found: FoundFaces) -> list[HeirloomError]:
    warnings: list[HeirloomError] = []
    if not found.faces:
        warnings.append(
            NoFaceDetectedError(
                "No face was found in the photo.",
                "Send a photo that shows a face from the front, at least 40 pixels wide, or draw a box around it; if "
                "it already is a face crop, send it as aligned.",
            )
        )
    elif found.absent:
        named = ", ".join(map(str, found.absent))
        there = "one face was found" if len(found.faces) == 1 else f"{len(found.faces)} faces were found"
        warnings.append(
            BadInputError(f"There is no face {named}: {there}, counted from 0.", "`heirloom faces PHOTO` shows them.")
        )
    small = [face for face in found.faces if _known_verdict(face) is FaceVerdict.TOO_SMALL]
    if len(small) == 1 and small[0].error is not None:
        warnings.append(small[0].error)
    elif small:
        advice = "Scan or download the photo at a higher resolution."
        warnings.append(FaceTooSmallError(f"{len(small)} faces have too few pixels and stay as they are.", advice))
    return warnings


def _rivals(found: FoundFaces) -> int:
    """How many faces may be the subject's, as far as the request says: of too few pixels, too."""
    return sum(not face.named and face.action is not FaceAction.KEEP for face in found.faces)


def _subject(
    faces: list[FoundFace],
    rivals: int,
    vectors: Mapping[int, np.ndarray],
    request: RestoreRequest,
    warnings: list[HeirloomError],
) -> int | None:
    """Which of several faces is the subject's; None where none is for sure."""
    references = request.references.get(OWN)
    if references is None:
        if rivals == 1:
            return faces[0].n
        warnings.append(
            BadInputError(
                "Several faces were found, and nothing tells which one is the subject's, so that none was restored.",
                "Name the face by its number or a box, or give the person's album.",
            )
        )
        return None
    guesses = [(who_is_it(vectors[face.n], {OWN: references}), face.n) for face in faces if face.n in vectors]
    best = max(guesses, key=lambda guess: guess[0].margin, default=None)
    if best is not None and best[0].applies:
        return best[1]
    warnings.append(
        BadInputError(
            "None of the faces is surely the subject's, so that none was restored.",
            "Name the face by its number or a box.",
        )
    )
    return None


def _notes(
    face: FoundFace, vector: np.ndarray | None, request: RestoreRequest, recipe: Recipe, resolution: int
) -> tuple[str, ...]:
    notes = []
    apart = face.eye_distance_pixels
    if apart is not None and apart < GOOD_EYE_DISTANCE_PIXELS:
        notes.append(SMALL)
    if face.alignment is not None and round(face.alignment.side_pixels) > resolution:
        notes.append(LARGER_THAN_PRIOR)
    references = references_of(face, request, recipe)
    if references is not None and vector is not None and not who_is_it(vector, {OWN: references}).applies:
        notes.append(UNLIKE_THE_SUBJECT)
    if references is not None and vector is not None and judges_of(face, request, recipe) is references:
        notes.append(NONE_HELD_OUT)
    return tuple(notes)
