"""Another candidate, or the face as it was, for a face of a photo that is done: what has to be put together anew.

Three steps, because putting a photo together takes seconds and no transaction is open that long: what is there is
read, the photo is put together, and the row is changed if it still says what was read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from core.db import files, restorations
from core.db.blobs import mark_ready
from core.domain.errors import ConflictError, InvalidRequestError
from core.domain.face import LEFT_ALONE
from core.services.faces import Choice, face_of
from core.services.layers import StoredLayer
from core.services.restorations import ORIGINAL, Restored, get
from core.services.wanted import output_of
from core.storage.base import BlobRef


@dataclass(frozen=True)
class ChosenFace:
    """A face that is to stand in the photo as it was restored.

    Attributes:
        entry: the face, as its restoration's row has it.
        native: the prior's own output of its candidate.
    """

    entry: Mapping[str, Any]
    native: BlobRef


@dataclass(frozen=True)
class Selection:
    """What is to be put together.

    Attributes:
        owner_id: whose.
        restoration_id: which.
        face: its number.
        choice: what is to stand for it.
        found: what stood for each face when this was read; None: nothing. The row must still say so afterwards.
        original: the photo as it was sent; None where nothing has to be put together.
        faces: that are restored in it.
        kept: that stay as they were, and keep their pixels from those: entries of the restoration's row.
        output: format, metadata and colour of the result, layers if wanted.
    """

    owner_id: str
    restoration_id: str
    face: int
    choice: Choice
    found: tuple[Choice | None, ...]
    original: BlobRef | None
    faces: tuple[ChosenFace, ...]
    kept: tuple[Mapping[str, Any], ...]
    output: Mapping[str, Any]


@dataclass(frozen=True)
class PutTogether:
    """The photo, put together and stored.

    Attributes:
        image: where.
        media_type: of it.
        width: in pixels.
        height: in pixels.
        layers: by face, where they were wanted.
    """

    image: BlobRef
    media_type: str
    width: int
    height: int
    layers: Mapping[int, StoredLayer]


def look(session: Session, owner_id: str, restoration_id: str, face: int, choice: Choice) -> Selection:
    """See what a choice takes.

    Raises:
        NotFoundError: no such restoration or face.
        ConflictError: it has not succeeded, nothing was made of that face, or the photo is not there any more.
        InvalidRequestError: no such candidate.
    """
    found = get(session, owner_id, restoration_id)
    face_of(found, face)
    numbers = [candidate.number for candidate in found.candidates if candidate.face == face]
    offered: list[Choice] = [*numbers, ORIGINAL] if numbers else []
    if choice not in offered:
        listed = f"Choose one of {', '.join(map(str, offered))}."
        raise InvalidRequestError(
            f"The face {face} has no candidate {choice}.",
            listed if offered else "It was left as it is: nothing else was made of it.",
            pointer="/candidate",
        )
    row = found.restoration
    selected = {entry["n"]: entry.get("selected") for entry in row.faces} | {face: choice}
    composed = row.width is not None and selected != _selected(row.faces)  # older ones are not put together
    return Selection(
        owner_id=owner_id,
        restoration_id=restoration_id,
        face=face,
        choice=choice,
        found=tuple(_selected(row.faces).values()),
        original=_original(session, owner_id, row.file_id) if composed else None,
        faces=_chosen(found, selected) if composed else (),
        kept=tuple(entry for entry in row.faces if _stays(entry, selected[entry["n"]])) if composed else (),
        output=output_of(row.output),
    )


def settle(session: Session, selection: Selection, made: PutTogether | None) -> Restored | None:
    """Let the choice stand.

    Args:
        session: the transaction.
        selection: what was asked, and what was read.
        made: the new photo; None where nothing had to be put together.

    Returns:
        The restoration; None where somebody chose something else meanwhile: look again.

    Raises:
        NotFoundError: it was deleted meanwhile.
    """
    row = restorations.get(session, selection.owner_id, selection.restoration_id, lock=True)
    if row is not None and tuple(_selected(row.faces).values()) != selection.found:
        return None
    if row is not None:
        layers = {} if made is None else made.layers
        # A new list: the database sees a change of JSON only where the value itself is another.
        row.faces = [_entry(entry, selection, layers, anew=made is not None) for entry in row.faces]
        if made is not None:
            row.image_sha256, row.image_size_bytes = made.image.sha256, made.image.size_bytes
            row.image_media_type, row.width, row.height = made.media_type, made.width, made.height
            mark_ready(session, made.image, *(ref for layer in layers.values() for ref in layer.refs()))
        session.flush()
    return get(session, selection.owner_id, selection.restoration_id)


def _entry(
    entry: dict[str, Any], selection: Selection, layers: Mapping[int, StoredLayer], *, anew: bool
) -> dict[str, Any]:
    if anew:
        layer = layers.get(entry["n"])
        entry = entry | {"layers": None if layer is None else layer.as_json()}
    return entry | {"selected": selection.choice} if entry["n"] == selection.face else entry


def _selected(faces: list[Any]) -> dict[int, Choice | None]:
    return {entry["n"]: entry.get("selected") for entry in faces}


def _original(session: Session, owner_id: str, file_id: str | None) -> BlobRef:
    file = files.get(session, owner_id, file_id) if file_id is not None else None
    if file is None:
        raise ConflictError(
            "The photo that was sent is not kept any more, so that nothing can be put together from it.",
            "Every candidate can still be fetched; for another photo send it again.",
        )
    return BlobRef(file.owner_id, file.blob_sha256, file.size_bytes)


def _stays(entry: Mapping[str, Any], choice: Choice | None) -> bool:
    """Whether a face is left as it was on purpose; those of which nothing could be made have no say."""
    if isinstance(choice, int) or entry.get("quad") is None:
        return False
    return choice == ORIGINAL or entry.get("verdict") in LEFT_ALONE


def _chosen(found: Restored, selected: Mapping[int, Choice | None]) -> tuple[ChosenFace, ...]:
    natives = {(row.face, row.number): row for row in found.candidates if row.native_sha256 is not None}
    faces = []
    for entry in found.restoration.faces:
        choice = selected[entry["n"]]
        if not isinstance(choice, int):
            continue
        row = natives[entry["n"], choice]
        faces.append(ChosenFace(dict(entry), BlobRef(row.owner_id, str(row.native_sha256), row.native_size_bytes or 0)))
    return tuple(faces)
