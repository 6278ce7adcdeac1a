"""Stored bytes as an answer: always to be saved, never to be shown in a page; known by their hash."""

from collections.abc import Iterable
from itertools import chain
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from api.call import Call
from api.zip_stream import zip_stream
from core.imaging.signature import HEAD_BYTES, ZIP, media_type_of
from core.storage.base import BlobRef

OCTETS = "application/octet-stream"


def download(request: Request, call: Call, ref: BlobRef, media_type: str | None, name: str) -> Response:
    """A blob.

    Args:
        request: whose If-None-Match may spare the bytes.
        call: the request's.
        ref: which blob.
        media_type: by its signature, not by what somebody said; None: looked at now.
        name: to save it under.

    Raises:
        StorageError: it is not there, or not what it was; of a large one that may come out only later: the connection
            is cut then.
    """
    headers = {
        "ETag": f'"{ref.sha256}"',
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
    }
    if _knows(request.headers.get("if-none-match", ""), ref.sha256):
        return Response(status_code=304, headers=headers)
    content = call.service.store.read(ref)
    first = next(content, b"")  # before the status is sent, so that what is missing can still be told
    media_type = media_type or media_type_of(first[:HEAD_BYTES]) or OCTETS
    if len(first) == ref.size_bytes:
        for _ in content:
            pass
        return Response(first, 200, headers, media_type)

    return StreamingResponse(
        chain((first,), content), 200, {**headers, "Content-Length": str(ref.size_bytes)}, media_type
    )


def small_picture(content: bytes, media_type: str) -> Response:
    """A picture that was made here, from memory; other people's proxies do not keep it."""
    headers = {"Cache-Control": "private, no-cache"}
    return Response(content, 200, headers, media_type)


def archive(files: Iterable[tuple[str, Iterable[bytes]]], name: str) -> Response:
    """Several blobs as one zip, written while it is sent.

    Args:
        files: their names, and their contents.
        name: to save it under, in plain letters.

    Raises:
        StorageError: the first is not there; of a later one that comes out only then: the connection is cut.
    """
    content = zip_stream(files)
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "private, no-store",
    }
    return StreamingResponse(chain((next(content),), content), 200, headers, ZIP)


def _knows(if_none_match: str, sha256: str) -> bool:
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in if_none_match.split(",")]
    return sha256 in tags or "*" in tags
