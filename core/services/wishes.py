"""What is asked of single faces: checked as far as it can be without the photo, and made into the pipeline's wishes."""

from collections.abc import Sequence

from core.domain.errors import InvalidRequestError
from core.domain.face import FaceAction, FaceWish
from core.domain.mode import Mode
from core.domain.subject import Category
from core.services.constraints import Chosen
from core.services.wanted import AUTO, AskedFace, Wanted


def check_faces(wanted: Wanted) -> None:
    """Refuse what contradicts itself; nothing is looked up.

    Raises:
        InvalidRequestError: it points at the member that is wrong.
    """
    if wanted.faces == AUTO:
        _check_auto(wanted)
        return
    seen: dict[object, int] = {}
    for number, face in enumerate(wanted.single_faces):
        place = f"/faces/{number}"
        name = _name_of(face, place)
        if name in seen:
            raise InvalidRequestError(
                f"This face is named twice, first as number {seen[name]} of the list.",
                "Say once what becomes of it.",
                pointer=place,
            )
        seen[name] = number
        _check_checkpoint(face, wanted, place)
        if wanted.aligned and name != ("index", 0):
            raise InvalidRequestError(
                "A photo that already is a face crop has one face, and nothing is looked for in it.",
                "Name it by index 0, or leave aligned out.",
                pointer=f"{place}/{name[0]}",
            )


def check_category(wanted: Wanted, category: Category) -> None:
    """Refuse what only works where faces are detected.

    Raises:
        InvalidRequestError: it points at the member that is wrong.
    """
    if category is Category.PERSON:
        return
    if wanted.faces == AUTO:
        raise InvalidRequestError(
            f"Nobody is told apart where the category is {category}.",
            "Name the faces by boxes, each with its subject_id.",
            pointer="/faces",
        )
    for number, face in enumerate(wanted.single_faces):
        if face.box is None and not wanted.aligned:
            member = "index" if face.index is not None else "eyes"
            raise InvalidRequestError(
                f"Faces are not detected where the category is {category}.",
                "Draw a box around each.",
                pointer=f"/faces/{number}/{member}",
            )


def wishes_of(faces: Sequence[AskedFace], chosen: Sequence[Chosen | None]) -> tuple[FaceWish, ...]:
    """For the pipeline.

    Args:
        faces: as they were asked for, and checked.
        chosen: each one's own checkpoint.
    """
    return tuple(
        FaceWish(face.index, face.box, face.eyes, face.action, None if own is None else own.checkpoint.id)
        for face, own in zip(faces, chosen, strict=True)
    )


def _check_auto(wanted: Wanted) -> None:
    if wanted.names_checkpoint:
        raise InvalidRequestError(
            "With faces: auto everybody is recognised by their own album; one subject for the whole photo goes not "
            "with it.",
            "Leave one of them out.",
            pointer="/faces",
        )
    if wanted.mode is Mode.DIRECT:
        raise InvalidRequestError(
            "The direct mode uses nobody's checkpoint, so that nobody has to be recognised.",
            "Leave faces out, or choose another mode.",
            pointer="/faces",
        )


def _name_of(face: AskedFace, place: str) -> tuple[str, object]:
    """How a face is named: the member, and its value in a form that can be compared."""
    named = {"index": face.index, "box": face.box, "eyes": face.eyes and tuple(sorted(face.eyes))}
    given = [(member, value) for member, value in named.items() if value is not None]
    if len(given) != 1:
        raise InvalidRequestError(
            "A face is named by its index, a box or its eyes.", "Give one of the three.", pointer=place
        )
    if face.box is not None and (face.box[0] >= face.box[2] or face.box[1] >= face.box[3]):
        raise InvalidRequestError(
            "The box is empty.", "Give left, top, right, bottom in pixels of the upright photo.", pointer=f"{place}/box"
        )
    if face.eyes is not None and face.eyes[0] == face.eyes[1]:
        raise InvalidRequestError(
            "Both eyes are one point.", "Give the centres of both, in pixels.", pointer=f"{place}/eyes"
        )
    return given[0]


def _check_checkpoint(face: AskedFace, wanted: Wanted, place: str) -> None:
    if not face.names_checkpoint:
        return
    member = "subject_id" if face.subject_id is not None else "checkpoint_id"
    if face.subject_id is not None and face.checkpoint_id is not None:
        raise InvalidRequestError(
            "A face has a subject or a checkpoint.", "Leave one of them out.", pointer=f"{place}/checkpoint_id"
        )
    if face.action is FaceAction.KEEP:
        raise InvalidRequestError(
            "A face that is kept as it is needs no checkpoint.", "Leave one of them out.", pointer=f"{place}/{member}"
        )
    if wanted.mode is Mode.DIRECT:
        raise InvalidRequestError(
            "The direct mode uses nobody's checkpoint.",
            "Leave it out, or choose another mode.",
            pointer=f"{place}/{member}",
        )
