"""Which of a restoration's pictures is wanted."""

from typing import Annotated

from pydantic import Field, StringConstraints
from sqlalchemy.orm import Session

from api.schemas.members import Sent
from core.domain.errors import InvalidRequestError
from core.imaging.original.saving import MEDIA_TYPES
from core.services import faces
from core.services.faces import Picture
from core.services.layers import LayerName

SUFFIXES = {media_type: suffix for suffix, media_type in MEDIA_TYPES.values()}
"""Of every kind of picture that is made, by media type."""
CandidateName = Annotated[str, StringConstraints(pattern=r"^([0-7]|original)$")]


class PictureQuery(Sent):
    """In a query: nothing for the whole photo, or a face and which picture of it."""

    face: Annotated[int | None, Field(ge=0, lt=1000, description="A face's number; none: the whole photo.")] = None
    candidate: Annotated[
        CandidateName | None,
        Field(description="Of that face: a candidate's number, or original; none: what is selected."),
    ] = None
    layer: Annotated[LayerName | None, Field(description="Of that face, where output.layers asked for layers.")] = None

    def picture(self, session: Session, owner_id: str, restoration_id: str) -> Picture:
        """Where it is.

        Raises:
            InvalidRequestError: a candidate or a layer without a face, or both.
            NotFoundError, ConflictError: as of `core.services.faces`.
        """
        if self.face is None:
            if self.candidate is not None or self.layer is not None:
                raise InvalidRequestError("A candidate, or a layer, is a face's.", "Name the face, too: face=0.")
            return faces.photo(session, owner_id, restoration_id)
        if self.layer is not None:
            if self.candidate is not None:
                raise InvalidRequestError("There are layers of the selected candidate alone.", "Leave one of them out.")
            return faces.layer(session, owner_id, restoration_id, self.face, self.layer)
        choice = int(self.candidate) if self.candidate is not None and self.candidate.isdigit() else self.candidate
        return faces.face(session, owner_id, restoration_id, self.face, choice)

    @property
    def suffix(self) -> str:
        """For the name to save it under."""
        parts = [None if self.face is None else f"face-{self.face}", self.candidate, self.layer]
        return "".join(f"-{part}" for part in parts if part is not None)
