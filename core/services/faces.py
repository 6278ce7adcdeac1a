"""The pictures of a restoration: the whole photo, and each face as it was, became, and might have become."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from core.domain.errors import ConflictError, NotFoundError
from core.domain.job import JobStatus
from core.services.layers import LayerName, picture_of
from core.services.restorations import ORIGINAL, Restored, get
from core.storage.base import BlobRef

Choice = int | str
"""A candidate's number, or `original`."""
PNG = "image/png"


@dataclass(frozen=True)
class Picture:
    """A picture that can be fetched."""

    ref: BlobRef
    media_type: str


def photo(session: Session, owner_id: str, restoration_id: str) -> Picture:
    """The whole photo with the selected faces in it.

    Raises:
        NotFoundError: no such restoration.
        ConflictError: it has not succeeded, or nothing was made of the photo.
    """
    found = get(session, owner_id, restoration_id)
    check_succeeded(found)
    row = found.restoration
    if row.image_sha256 is not None:
        return Picture(BlobRef(owner_id, row.image_sha256, row.image_size_bytes or 0), row.image_media_type or PNG)
    # Of the time before photos were put together: what was selected of the first face was the result.
    if row.width is None and row.faces and row.faces[0].get("selected") is not None:
        return face(session, owner_id, restoration_id, row.faces[0]["n"], None)
    raise ConflictError(
        "Nothing was made of this photo: no face in it could be restored.",
        "The restoration says why: warnings, and faces[n].error.",
    )


def face(session: Session, owner_id: str, restoration_id: str, number: int, choice: Choice | None) -> Picture:
    """A restored face, or the face as it was.

    Args:
        session: the transaction.
        owner_id: whose.
        restoration_id: which.
        number: the face's.
        choice: a candidate's number, or "original"; None: what is selected.

    Raises:
        NotFoundError: no such restoration, face or candidate.
        ConflictError: it has not succeeded, or nothing was made of that face.
    """
    found = get(session, owner_id, restoration_id)
    entry = face_of(found, number)
    choice = entry["selected"] if choice is None else choice
    if choice == ORIGINAL and entry.get("crop_sha256"):
        return Picture(BlobRef(owner_id, entry["crop_sha256"], entry["crop_size_bytes"]), PNG)
    for candidate in found.candidates:
        if (candidate.face, candidate.number) == (number, choice):
            return Picture(BlobRef(owner_id, candidate.blob_sha256, candidate.size_bytes), candidate.media_type)
    raise NotFoundError("There is no such candidate.", "GET the restoration: it lists the candidates of each face.")


def layer(session: Session, owner_id: str, restoration_id: str, number: int, name: LayerName) -> Picture:
    """One layer of a face's part of the photo.

    Raises:
        NotFoundError: no such restoration or face, or layers were not asked for.
        ConflictError: it has not succeeded, or nothing was made of that face.
    """
    entry = face_of(get(session, owner_id, restoration_id), number)
    ref = picture_of(entry, owner_id, name)
    if ref is None:
        raise NotFoundError(
            "This face has no layers.", "They are kept where output.layers asks for them, and a face was put back."
        )
    return Picture(ref, PNG)


def check_succeeded(found: Restored) -> None:
    """Refuse what has not ended well.

    Raises:
        ConflictError: the job is under way, or ended otherwise.
    """
    status = found.job.status if found.job is not None else JobStatus.SUCCEEDED
    if status != JobStatus.SUCCEEDED:
        raise ConflictError(f"The restoration is {status}.", "Wait for its job, or look there why it ended.")


def face_of(found: Restored, number: int) -> dict[str, Any]:
    """A face of which something was made.

    Raises:
        NotFoundError: no such face.
        ConflictError: the restoration has not succeeded, or nothing was made of that face.
    """
    check_succeeded(found)
    for entry in found.restoration.faces:
        if entry["n"] == number:
            if entry.get("error"):
                raise ConflictError("Nothing was made of this face.", "The restoration says why: faces[n].error.")
            return dict(entry)
    if not found.restoration.faces:
        raise ConflictError("No face was found in this photo.", "Send a photo in which the face is larger or clearer.")
    raise NotFoundError("There is no such face.", "GET the restoration: it lists its faces.")
