"""What is asked of single faces on the command line: `--face 0=alice.safetensors`, `--box 10,20,90,110=keep`."""

from pathlib import Path

from cli.requests import read_checkpoint
from core.domain.errors import InvalidRequestError
from core.domain.face import Box, FaceAction, FaceWish


def wishes_of(faces: list[str], boxes: list[str], photos: int) -> tuple[FaceWish, ...] | None:
    """The wishes; None where nothing is asked of single faces.

    Args:
        faces: NUMBER, NUMBER=keep or NUMBER=CHECKPOINT.
        boxes: L,T,R,B, and the same behind it.
        photos: how many are restored.

    Raises:
        InvalidRequestError: something else is said, or there are several photos.
    """
    if not faces and not boxes:
        return None
    if photos > 1:
        raise InvalidRequestError("--face and --box are about the faces of one photo.", "Restore the photos singly.")
    return (*map(_numbered, faces), *map(_boxed, boxes))


def checkpoints_of(wishes: tuple[FaceWish, ...] | None) -> dict[str, bytes]:
    """The checkpoints that faces name, by name, not looked at yet.

    Raises:
        CheckpointUnreadableError: one cannot be read.
    """
    names = {wish.checkpoint_id for wish in wishes or () if wish.checkpoint_id is not None}
    return {name: read_checkpoint(Path(name)) for name in sorted(names)}


def _numbered(text: str) -> FaceWish:
    number, _, what = text.partition("=")
    if not number.isdecimal():
        raise InvalidRequestError(
            f"--face {text} names no face.", "Say e.g. --face 0, --face 0=alice.safetensors or --face 2=keep."
        )
    return FaceWish(index=int(number), action=_action(what), checkpoint_id=_checkpoint(what))


def _boxed(text: str) -> FaceWish:
    sides, _, what = text.partition("=")
    return FaceWish(box=_box(sides, text), action=_action(what), checkpoint_id=_checkpoint(what))


def _box(sides: str, text: str) -> Box:
    try:
        left, top, right, bottom = (float(side) for side in sides.split(","))
    except ValueError as error:
        raise InvalidRequestError(
            f"--box {text} is no box.", "Say left,top,right,bottom in pixels of the upright photo, e.g. 40,60,180,220."
        ) from error
    return left, top, right, bottom


def _action(what: str) -> FaceAction:
    return FaceAction.KEEP if what == FaceAction.KEEP else FaceAction.RESTORE


def _checkpoint(what: str) -> str | None:
    return None if what in ("", *FaceAction) else what
