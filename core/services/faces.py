"""The faces of a restoration: which candidate stands for each, and where its picture is."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from core.db import restorations
from core.domain.errors import ConflictError, InvalidRequestError, NotFoundError
from core.domain.job import JobStatus
from core.services.restorations import ORIGINAL, Restored, get
from core.storage.base import BlobRef

Choice = int | str
"""A candidate's number, or `original`."""


@dataclass(frozen=True)
class Picture:
    """A picture that can be fetched."""

    ref: BlobRef
    media_type: str


def picture(session: Session, owner_id: str, restoration_id: str, face: int, choice: Choice | None) -> Picture:
    """A restored face, or the face as it was.

    Args:
        session: the transaction.
        owner_id: whose.
        restoration_id: which.
        face: its number.
        choice: a candidate's number, or "original"; None: what is selected.

    Raises:
        NotFoundError: no such restoration, face or candidate.
        ConflictError: it has not succeeded, or nothing was made of that face.
    """
    found = get(session, owner_id, restoration_id)
    entry = _face(found, face)
    choice = entry["selected"] if choice is None else choice
    if choice == ORIGINAL and entry.get("crop_sha256"):
        return Picture(BlobRef(owner_id, entry["crop_sha256"], entry["crop_size_bytes"]), "image/png")
    for candidate in found.candidates:
        if (candidate.face, candidate.number) == (face, choice):
            return Picture(BlobRef(owner_id, candidate.blob_sha256, candidate.size_bytes), candidate.media_type)
    raise NotFoundError("There is no such candidate.", "GET the restoration: it lists the candidates of each face.")


def select(session: Session, owner_id: str, restoration_id: str, face: int, choice: Choice) -> Restored:
    """Let a candidate, or the face as it was, stand for a face.

    Raises:
        NotFoundError: no such restoration or face.
        ConflictError: it has not succeeded, or nothing was made of that face.
        InvalidRequestError: no such candidate.
    """
    row = restorations.get(session, owner_id, restoration_id, lock=True)
    found = get(session, owner_id, restoration_id)
    _face(found, face)
    numbers = [candidate.number for candidate in found.candidates if candidate.face == face]
    if choice != ORIGINAL and choice not in numbers:
        raise InvalidRequestError(
            f"The face {face} has no candidate {choice}.",
            f"Choose one of {', '.join(map(str, numbers))}, or {ORIGINAL!r}.",
            pointer="/candidate",
        )
    if row is not None:
        # A new list: the database sees a change of JSON only where the value itself is another.
        row.faces = [{**entry, "selected": choice} if entry["n"] == face else entry for entry in row.faces]
        session.flush()
    return found


def _face(found: Restored, face: int) -> dict[str, Any]:
    status = found.job.status if found.job is not None else JobStatus.SUCCEEDED
    if status != JobStatus.SUCCEEDED:
        raise ConflictError(f"The restoration is {status}.", "Wait for its job, or look there why it ended.")
    for entry in found.restoration.faces:
        if entry["n"] == face:
            if entry.get("error"):
                raise ConflictError("Nothing was made of this face.", "The restoration says why: faces[n].error.")
            return dict(entry)
    if not found.restoration.faces:
        raise ConflictError("No face was found in this photo.", "Send a photo in which the face is larger or clearer.")
    raise NotFoundError("There is no such face.", "GET the restoration: it lists its faces.")
