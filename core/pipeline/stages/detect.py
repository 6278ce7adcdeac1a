"""The faces of a photo: those that somebody names, else those that are found."""

from dataclasses import replace

import numpy as np

from core.domain.errors import BadInputError, FaceTooSmallError, HeirloomError, InvalidRequestError
from core.domain.face import Box, FaceAction, FaceVerdict, FaceWish
from core.imaging.align import MIN_CROP_PIXELS, Alignment, aligned_crop, alignment_of_box, alignment_of_face
from core.imaging.composite import outline_of
from core.imaging.faces import MIN_EYE_DISTANCE_PIXELS, Face, choose
from core.imaging.faces.face import area, intersection
from core.imaging.faces.open import Finder
from core.pipeline.found import FoundFace, FoundFaces
from core.pipeline.plan import StageCall
from core.pipeline.request import Photo, RestoreRequest
from core.pipeline.stages.context import Context
from core.pipeline.wishes import PERSON

_SAME_FACE = 0.25
"""Distance between the centres of two squares, over the larger side, up to which they are one face: boxes are drawn
roughly, and faces that stand beside each other are at least half a side apart."""

_COVERED = 0.6
"""Part of a found face's box that a drawn box in which no landmarks were found has to cover, to speak for it."""

_WHOLE_MARGIN = 0.14
"""Beyond a whole picture, as a fraction of its longer side: near the border of the square nothing is put back."""


def handle(call: StageCall, context: Context) -> list[bytes]:
    """Decode a photo and say which faces it has, and what is asked of each."""
    index, request = call.sources[0], context.request
    if not isinstance(request, RestoreRequest):
        raise TypeError("a tune request has no photos beside its album")
    photo = request.photos[index]
    image = context.working(index)
    context.ports.progress.report(call.stage, call.items[0], *context.place(call))
    height, width = image.shape[:2]
    if photo.aligned:
        return [FoundFaces(width, height, (_aligned(image, photo),)).packed()]
    if request.category != PERSON:
        faces = [_boxed(image, wish) for wish in photo.faces or ()] or [_whole(height, width)]
        return [_numbered(width, height, faces).packed()]
    return [_people(image, photo.faces, request.finder.open()).packed()]


def _people(image: np.ndarray, wishes: tuple[FaceWish, ...] | None, finder: Finder) -> FoundFaces:
    """Faces of people; what somebody points at wins over what is found there."""
    height, width = image.shape[:2]
    given = [(wish, _given(image, wish, finder)) for wish in wishes or () if wish.index is None]
    by_number = {wish.index: wish for wish in wishes or () if wish.index is not None}
    others = _action_of_others(wishes)
    found: list[Face] = []
    if wishes is None or by_number or others is FaceAction.RESTORE:
        found = finder.find(image)
    faces = [_found(face, by_number.get(number), others) for number, face in enumerate(found)]
    for wish, face in given:
        twice = next((i for i, other in enumerate(faces) if other.named and _is_same(face, other)), None)
        if twice is not None:
            faces.append(_unusable(wish, _named_twice(twice)))
            continue
        # A box around a face that was found is this face: one number, one place.
        same = next((i for i, other in enumerate(faces) if not other.named and _is_same(face, other)), None)
        if same is None:
            faces.append(face)
        elif face.alignment is None:  # the detector saw what the box alone did not show
            found_there = faces[same]
            faces[same] = replace(found_there, action=face.action, named=True, checkpoint_id=face.checkpoint_id)
        else:
            faces[same] = face
    absent = tuple(sorted(number for number in by_number if number >= len(found)))
    return replace(_numbered(width, height, faces), absent=absent)


def _action_of_others(wishes: tuple[FaceWish, ...] | None) -> FaceAction:
    """Of faces that nothing is said of: only a list that names nothing but faces to keep leaves them to be restored."""
    if wishes is None or all(wish.action is FaceAction.KEEP for wish in wishes):
        return FaceAction.RESTORE
    return FaceAction.KEEP


def _found(face: Face, wish: FaceWish | None, others: FaceAction) -> FoundFace:
    if wish is None:
        return _of_person(face, None, others)
    return _of_person(face, wish, wish.action)


def _of_person(face: Face, wish: FaceWish | None, action: FaceAction) -> FoundFace:
    alignment = alignment_of_face(face)
    apart = face.eye_distance_pixels
    small = apart < MIN_EYE_DISTANCE_PIXELS
    reason = (
        f"The eyes are {apart:.0f} pixels apart; at least {MIN_EYE_DISTANCE_PIXELS:.0f} are needed.",
        "Scan or download the photo at a higher resolution.",
    )
    left, top, right, bottom = (float(side) for side in face.box)
    return FoundFace(
        n=0,
        source=face.source,
        quad=alignment.quad,
        outline=outline_of(alignment, face),
        box=(left, top, right, bottom),
        eye_distance_pixels=apart,
        action=action,
        named=wish is not None,
        checkpoint_id=wish.checkpoint_id if wish else None,
        verdict=FaceVerdict.TOO_SMALL if small else None,
        reason=reason if small else ("", ""),
    )


def _given(image: np.ndarray, wish: FaceWish, finder: Finder) -> FoundFace:
    """A face by its box or its eyes; what is wrong with them is said of this face alone."""
    boxes, eyes = [wish.box] if wish.box else [], [wish.eyes] if wish.eyes else []
    try:
        return _of_person(choose(image, finder, boxes, eyes, finder)[0], wish, wish.action)
    except BadInputError as error:
        return _unusable(wish, error)


def _boxed(image: np.ndarray, wish: FaceWish) -> FoundFace:
    """What a box holds, where it is no person's face."""
    height, width = image.shape[:2]
    left, top, right, bottom = wish.box or (0.0, 0.0, 0.0, 0.0)
    if min(right, width) - max(left, 0) < 2 or min(bottom, height) - max(top, 0) < 2:
        message = f"The box {wish.box} is empty or lies outside the photo of {width} × {height} pixels."
        advice = "Name left, top, right, bottom in pixels of the upright photo."
        return _unusable(wish, BadInputError(message, advice))
    return _square((left, top, right, bottom), wish)


def _whole(height: int, width: int) -> FoundFace:
    margin = _WHOLE_MARGIN / 2 * max(height, width)
    around = alignment_of_box((-margin, -margin, width + margin, height + margin))
    return _square((0.0, 0.0, float(width), float(height)), None, around)


def _square(box: Box, wish: FaceWish | None, alignment: Alignment | None = None) -> FoundFace:
    left, top, right, bottom = box
    alignment = alignment or alignment_of_box(box)
    small = alignment.side_pixels < MIN_CROP_PIXELS
    reason = (
        f"The square has {alignment.side_pixels:.0f} pixels a side; at least {MIN_CROP_PIXELS} are needed.",
        "Use a larger copy.",
    )
    return FoundFace(
        n=0,
        source="whole" if wish is None else "box",
        quad=alignment.quad,
        outline=np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float64),
        box=box,
        action=wish.action if wish else FaceAction.RESTORE,
        named=wish is not None,
        checkpoint_id=wish.checkpoint_id if wish else None,
        verdict=FaceVerdict.TOO_SMALL if small else None,
        reason=reason if small else ("", ""),
    )


def _aligned(image: np.ndarray, photo: Photo) -> FoundFace:
    wish = photo.faces[0] if photo.faces else None
    face = FoundFace(n=0, source="aligned")
    if wish is not None:
        face = replace(face, action=wish.action, named=True, checkpoint_id=wish.checkpoint_id)
    try:
        aligned_crop(image)
    except FaceTooSmallError as error:
        return replace(face, verdict=FaceVerdict.TOO_SMALL, reason=(error.message, error.advice))
    return face


def _named_twice(number: int) -> InvalidRequestError:
    return InvalidRequestError(
        f"This is the face that is named as number {number} already.", "Say once what becomes of a face."
    )


def _unusable(wish: FaceWish, error: HeirloomError) -> FoundFace:
    return FoundFace(
        n=0,
        source="eyes" if wish.eyes else "box",
        box=wish.box,
        action=wish.action,
        named=True,
        checkpoint_id=wish.checkpoint_id,
        verdict=FaceVerdict.FAILED,
        reason=(error.message, error.advice),
    )


def _numbered(width: int, height: int, faces: list[FoundFace]) -> FoundFaces:
    return FoundFaces(width, height, tuple(replace(face, n=number) for number, face in enumerate(faces)))


def _covers(drawn: Box | None, found: Box | None) -> bool:
    return drawn is not None and found is not None and intersection(drawn, found) >= _COVERED * area(found)


def _is_same(one: FoundFace, other: FoundFace) -> bool:
    if one.alignment is None or other.alignment is None:  # nothing was found in the box: it speaks for what it covers
        return _covers(one.box, other.box)
    apart = one.alignment.quad.mean(axis=0) - other.alignment.quad.mean(axis=0)
    return float(np.hypot(*apart)) < _SAME_FACE * max(one.alignment.side_pixels, other.alignment.side_pixels)
