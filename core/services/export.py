"""Everything that is kept about a subject, for the person who asks: rows as JSON, and every file that they name."""

import base64
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import Any

from sqlalchemy.orm import Session

from core.db import export
from core.db.export import Row
from core.db.session import now_of
from core.imaging.signature import PHOTO_SUFFIXES, ZIP
from core.services import subjects
from core.services.archive_names import archive_names
from core.storage.base import BlobRef

ROWS_FILE = "subject.json"
MISSING_FILE = "missing.json"
_LONGEST_SUFFIX = 5
_SUFFIXES = {**PHOTO_SUFFIXES, ZIP: "zip"}


@dataclass(frozen=True)
class ExportedFile:
    """One file of an export.

    Attributes:
        name: in the archive.
        content: its bytes, or where they are.
    """

    name: str
    content: bytes | BlobRef


def files_about(session: Session, owner_id: str, subject_id: str) -> list[ExportedFile]:
    """The files of an export; the first is `subject.json`, with all rows.

    Args:
        session: one that sees one moment (`Database.snapshot`).
        owner_id: whose subject.
        subject_id: which.

    Raises:
        NotFoundError: there is none.
    """
    subjects.get(session, owner_id, subject_id)
    rows = export.rows_about(session, owner_id, subject_id)
    found = [
        *_album(rows, owner_id),
        *_checkpoints(rows, owner_id),
        *_uploads(rows, owner_id),
        *_results(rows, owner_id),
    ]
    supposed = set(export.supposed_in(session, owner_id, subject_id)) - {row["id"] for row in rows["restorations"]}
    told = {
        "subject_id": subject_id,
        "exported_at": now_of(session),
        "rows": rows,
        "supposed_in_restorations": sorted(supposed),
        "files": {one.name: one.content.sha256 for one in found if isinstance(one.content, BlobRef)},
    }
    return [ExportedFile(ROWS_FILE, json.dumps(told, default=_written, indent=1, ensure_ascii=False).encode()), *found]


def _album(rows: dict[str, list[Row]], owner_id: str) -> Iterator[ExportedFile]:
    photos = rows["album_photos"]
    names = archive_names((row["label"], _suffix_of(row["label"])) for row in photos)
    for name, row in zip(names, photos, strict=True):
        yield ExportedFile(f"album/{name}", BlobRef(owner_id, row["blob_sha256"], row["size_bytes"]))
        thumbnail = row.pop("thumbnail")
        if thumbnail is not None:
            yield ExportedFile(f"album/thumbnails/{row['id']}.jpg", bytes(thumbnail))
        if row["embedding"] is not None:
            row["embedding"] = struct.unpack(f"<{len(row['embedding']) // 4}f", row["embedding"])


def _checkpoints(rows: dict[str, list[Row]], owner_id: str) -> Iterator[ExportedFile]:
    for row in rows["checkpoints"]:
        if row["blob_sha256"] is not None:
            ref = BlobRef(owner_id, row["blob_sha256"], row["size_bytes"])
            yield ExportedFile(f"checkpoints/{row['id']}.safetensors", ref)


def _uploads(rows: dict[str, list[Row]], owner_id: str) -> Iterator[ExportedFile]:
    for row in rows["files"]:
        name = f"uploads/{row['id']}.{_SUFFIXES.get(row['media_type'], 'bin')}"
        yield ExportedFile(name, BlobRef(owner_id, row["blob_sha256"], row["size_bytes"]))


def _results(rows: dict[str, list[Row]], owner_id: str) -> Iterator[ExportedFile]:
    for row in rows["restorations"]:
        folder = f"restorations/{row['id']}"
        if row["image_sha256"] is not None:
            suffix = _SUFFIXES.get(row["image_media_type"], "bin")
            ref = BlobRef(owner_id, row["image_sha256"], row["image_size_bytes"])
            yield ExportedFile(f"{folder}/photo.{suffix}", ref)
        for face in row["faces"]:
            yield from _face(face, folder, owner_id)
    for row in rows["candidates"]:
        stem = f"restorations/{row['restoration_id']}/face-{row['face']}-candidate-{row['number']}"
        suffix = _SUFFIXES.get(row["media_type"], "bin")
        yield ExportedFile(f"{stem}.{suffix}", BlobRef(owner_id, row["blob_sha256"], row["size_bytes"]))
        if row["native_sha256"] is not None:
            yield ExportedFile(f"{stem}-native.png", BlobRef(owner_id, row["native_sha256"], row["native_size_bytes"]))


def _face(face: dict[str, Any], folder: str, owner_id: str) -> Iterator[ExportedFile]:
    if face.get("crop_sha256"):
        ref = BlobRef(owner_id, face["crop_sha256"], face["crop_size_bytes"])
        yield ExportedFile(f"{folder}/face-{face['n']}-crop.png", ref)
    for name, picture in ((face.get("layers") or {}).get("pictures") or {}).items():
        ref = BlobRef(owner_id, picture["sha256"], picture["size_bytes"])
        yield ExportedFile(f"{folder}/face-{face['n']}-layer-{name}.png", ref)


def _suffix_of(label: str) -> str:
    suffix = PurePath(label).suffix.removeprefix(".").lower()
    return suffix if suffix.isascii() and suffix.isalnum() and len(suffix) <= _LONGEST_SUFFIX else "bin"


def _written(value: object) -> Any:  # noqa: ANN401  # whatever JSON has
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"a column has a value of the kind {type(value).__name__}")
