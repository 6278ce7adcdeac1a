"""A restoration's way in: JSON that names an uploaded file, or a form with the photo in it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi import Request
from sqlalchemy.orm import Session

from api.call import Call
from api.deps import CallDep
from api.intake import OneFile, one_file, read_fields, read_json
from api.routing import is_form
from api.schemas.restoration import RestorationForm, RestorationIn
from core.db.tables import File
from core.domain.errors import UnsupportedFormatError
from core.imaging.signature import ZIP
from core.services import restorations, uploads
from core.services.uploads import Received
from core.services.wanted import Wanted


@dataclass
class SentRestoration:
    """What was asked for, and the photo: named, or on its way into the store."""

    wanted: Wanted
    file_id: str | None = None
    photo: OneFile | None = None
    received: Received | None = None

    def settle(self, call: Call) -> None:
        """Store the photo that came along, once nothing is known that speaks against it."""
        if self.photo is not None:
            self.photo.check()
            with call.read() as session:
                restorations.prepare(session, call.owner_id, self.wanted, call.offer)
            self.received = self.photo.finish()

    def file(self, session: Session, call: Call) -> File:
        """The photo as a file of the caller's; nobody deletes it before this transaction's restoration needs it."""
        if self.photo is not None and self.received is not None:
            return uploads.register(session, call.owner_id, self.received, self.photo.label, None)
        file = uploads.get(session, call.owner_id, self.file_id or "", "/input/file_id", keep=True)
        if file.media_type == ZIP:
            raise UnsupportedFormatError(
                "A zip is not a photo.", "Restore its photos one by one.", pointer="/input/file_id"
            )
        return file


async def sent_restoration(request: Request, call: CallDep) -> AsyncIterator[SentRestoration]:
    """Read a request; a photo that was not settled leaves nothing behind."""
    if not is_form(request):
        body = await read_json(request, call, RestorationIn)
        yield SentRestoration(body.as_wanted(), file_id=body.input.file_id)
        return
    async with one_file(call) as photo:
        form = await read_fields(request, call, photo, RestorationForm)
        yield SentRestoration(form.as_wanted(), photo=photo)
