"""A photo whose faces somebody wants to know of: uploaded before (JSON), or along with the question (form)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from api.call import Call
from api.deps import CallDep
from api.intake import read_fields, read_json
from api.routing import is_form
from api.schemas.face import DetectForm, DetectIn
from core.domain.errors import UnsupportedFormatError
from core.imaging.decode_pool import Late
from core.imaging.detection import DetectedFaces, detect_faces
from core.imaging.signature import ZIP
from core.services import uploads
from core.services.photo_spool import PhotoSpool
from core.storage.base import read_blob


@dataclass(frozen=True)
class SentPhoto:
    """A photo: its file's id, or its bytes on this machine's disk."""

    file_id: str | None = None
    spool: PhotoSpool | None = None

    def faces(self, call: Call) -> DetectedFaces:
        """Its faces; of the photos that wait for their turn, none is in memory.

        Raises:
            NotFoundError: no such file.
            OverloadedError: its turn did not come in time.
            HeirloomError: as for `detect_faces`.
        """
        pool, finder = call.service.decode_pool, call.service.finder
        found = pool.run(detect_faces, self._late(call), call.service.image_limits, finder)
        if not isinstance(found, DetectedFaces):
            raise TypeError("the decode pool answered something else")
        return found

    def _late(self, call: Call) -> Late:
        if self.spool is not None:
            self.spool.check()
            return Late(self.spool.data)
        with call.read() as session:
            file = uploads.get(session, call.owner_id, self.file_id or "", "/file_id")
            if file.media_type == ZIP:
                raise UnsupportedFormatError("A zip is not a photo.", "Send its photos one by one.", pointer="/file_id")
            ref = uploads.ref_of(file)
        return Late(lambda: read_blob(call.service.store, ref))


async def sent_photo(request: Request, call: CallDep) -> AsyncIterator[SentPhoto]:
    """Read a request; nothing of it stays."""
    if not is_form(request):
        body = await read_json(request, call, DetectIn)
        yield SentPhoto(file_id=body.file_id)
        return
    spool = PhotoSpool(call.service.limits, call.service.spool_folder())
    try:
        await read_fields(request, call, spool, DetectForm)
        yield SentPhoto(spool=spool)
    finally:
        await run_in_threadpool(spool.close)
