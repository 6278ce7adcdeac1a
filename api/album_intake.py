"""An album's way in: a form with one zip or several photos, or the ids of files that were uploaded before."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from api.call import Call
from api.deps import CallDep
from api.intake import read_fields, read_json
from api.routing import is_form
from api.schemas.album import AlbumForm, AlbumIn
from core.db.tables import File
from core.services import uploads
from core.services.album_spool import AlbumSpool
from core.services.albums import AlbumOrder


@dataclass(frozen=True)
class SentAlbum:
    """What was sent, and what is to be done with it."""

    spool: AlbumSpool
    order: AlbumOrder


async def sent_album(request: Request, call: CallDep) -> AsyncIterator[SentAlbum]:
    """Read an album; its disk space is given back when the request has ended."""
    spool = AlbumSpool(call.owner_id, call.service.limits, call.service.spool_folder())
    try:
        if is_form(request):
            form = await read_fields(request, call, spool, AlbumForm)
            yield SentAlbum(spool, form.order())
        else:
            body = await read_json(request, call, AlbumIn)
            await run_in_threadpool(_copy_files, call, body.file_ids, spool)
            yield SentAlbum(spool, body.order())
    finally:
        await run_in_threadpool(spool.close)


def _copy_files(call: Call, file_ids: list[str], spool: AlbumSpool) -> None:
    with call.read() as session:
        files = uploads.get_all(session, call.owner_id, file_ids, "/file_ids")
    copy_files(call, files, spool)


def copy_files(call: Call, files: Sequence[File], spool: AlbumSpool) -> None:
    """Uploads as if they came with this request.

    Raises:
        DiskFullError: there is no room for them.
        HeirloomError: as for `AlbumSpool`, and where one is too large.
    """
    # The body said nothing of their size, so what is asked of a form's length is asked here, before a byte is copied.
    call.service.check_disk(call.service.limits.album_bytes_of(files))
    for file in files:
        spool.begin(file.name)
        for chunk in call.service.store.read(uploads.ref_of(file)):
            spool.write(chunk)
        spool.end()
