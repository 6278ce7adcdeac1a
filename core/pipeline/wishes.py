"""What is asked of single faces, checked against the request before anything is decoded or loaded."""

from collections import Counter

from core.domain.errors import InvalidRequestError, UnsupportedFormatError
from core.domain.face import FaceAction, FaceWish
from core.domain.mode import Mode
from core.imaging.original import heic
from core.pipeline.request import RestoreRequest
from core.recipes.schema import Recipe

PERSON = "person"


def check_wishes(request: RestoreRequest, recipe: Recipe) -> None:
    """Refuse wishes that contradict the request or each other.

    Args:
        request: what is wanted.
        recipe: the numbers, for its mode.

    Raises:
        InvalidRequestError: they do.
        UnsupportedFormatError: HEIC is asked for, and cannot be written here.
    """
    if request.file_format == "heic" and not heic.available():
        raise UnsupportedFormatError("HEIC is not written here.", "Ask for JPEG, or install pillow-heif.")
    for photo in request.photos:
        wishes = photo.faces or ()
        _check_names(wishes, request.category, photo.aligned)
        for wish in wishes:
            if wish.action is FaceAction.RESTORE and wish.checkpoint_id is not None:
                _check_checkpoint(wish.checkpoint_id, request, recipe)


def every_face_names_its_own(request: RestoreRequest) -> bool:
    """Whether no face is left to the request's own checkpoint: each that is to be restored names one."""
    return all(
        photo.faces
        and all(wish.action is FaceAction.RESTORE and wish.checkpoint_id is not None for wish in photo.faces)
        for photo in request.photos
    )


def _check_names(wishes: tuple[FaceWish, ...], category: str, aligned: bool) -> None:
    twice = [number for number, count in Counter(wish.index for wish in wishes).items() if count > 1]
    if any(number is not None for number in twice):
        raise InvalidRequestError(f"The face {twice[0]} is named twice.", "Name each face once.")
    if any(wish.index is not None and wish.index < 0 for wish in wishes):
        raise InvalidRequestError("Faces are numbered from 0.", "`heirloom faces PHOTO` shows the numbers.")
    if aligned and (len(wishes) > 1 or any(wish.index != 0 for wish in wishes)):
        raise InvalidRequestError("An aligned photo has one face, number 0.", "Do not send the photo as aligned.")
    if category != PERSON and not aligned and any(wish.box is None for wish in wishes):
        raise InvalidRequestError(
            f"Faces of the category {category} are not searched for, so that they have no numbers.",
            "Name them by boxes, or name none: then it is the whole picture.",
        )


def _check_checkpoint(checkpoint_id: str, request: RestoreRequest, recipe: Recipe) -> None:
    if checkpoint_id not in request.checkpoints:
        raise InvalidRequestError(
            f"A face names the checkpoint {checkpoint_id}, which is not there.", "Send it, or name another."
        )
    if recipe.mode is not Mode.PERSONAL and request.personal_recipe is None:
        raise InvalidRequestError(
            f"A face names a checkpoint, and the mode {recipe.mode} has no recipe for it.", "Name a personal recipe."
        )
