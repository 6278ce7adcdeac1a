"""Making a backup: rows of one moment, and every blob that they name. It disturbs nobody."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import BinaryIO

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from core.db import blobs, dump, sweeping
from core.db.session import Database, now_of
from core.db.tables import Blob
from core.domain.errors import BlobDamagedError, BlobMissingError
from core.services.backup.archive import END, FORMAT, HEAD, Absent, ArchiveWriter, Contents
from core.storage.base import CHUNK_BYTES, BlobRef, BlobStore, missing


def make(database: Database, store: BlobStore, revision: str, file: BinaryIO) -> Contents:
    """Write everything that is kept.

    What is deleted meanwhile is in it as it was; no sweep takes bytes before it is done. A blob that is missing or
    damaged is left out and told of: the rest is worth keeping.

    Args:
        database: at that revision.
        store: where its blobs are.
        revision: of the schema.
        file: empty, and can be cut back.

    Returns:
        What is in it now.

    Raises:
        StorageError: the store cannot be reached, or a sweep does not end.
        OSError: the file cannot be written.
    """
    archive, contents = ArchiveWriter(file), Contents()
    digest = hashlib.sha256()
    with sweeping.held_off(database):
        with database.snapshot() as session:
            head = {"format": FORMAT, "revision": revision, "made_at": now_of(session).isoformat()}
            archive.add(HEAD, json.dumps(head).encode())
            for table in dump.tables():
                contents.rows[table.name] = 0
                for number, (rows, lines) in enumerate(_parts(session, table)):
                    archive.add(f"tables/{table.name}/{number:06}.jsonl", lines)
                    digest.update(lines)
                    contents.rows[table.name] += rows
            named = _named(session)
        for ref in named:
            _add_blob(archive, store, ref, contents)
    contents.tables_sha256 = digest.hexdigest()
    archive.add(END, json.dumps(asdict(contents)).encode())
    archive.close()
    return contents


def _parts(session: Session, table: Table) -> Iterator[tuple[int, bytes]]:
    """How many rows, and their lines."""
    lines, size = list[bytes](), 0
    for row in dump.rows(session, table):
        lines.append(json.dumps(row, separators=(",", ":")).encode() + b"\n")
        size += len(lines[-1])
        if size >= CHUNK_BYTES:
            yield len(lines), b"".join(lines)
            lines, size = [], 0
    if lines:
        yield len(lines), b"".join(lines)


def _named(session: Session) -> list[BlobRef]:
    """What rows name, with the sizes that the ledger knows; −1 where it knows none."""
    query = select(Blob.owner_id, Blob.sha256, Blob.size_bytes)
    sizes = {(owner_id, sha256): size for owner_id, sha256, size in session.execute(query)}
    return [BlobRef(*name, sizes.get(name, -1)) for name in sorted(blobs.named(session))]


def _add_blob(archive: ArchiveWriter, store: BlobStore, ref: BlobRef, contents: Contents) -> None:
    try:
        if ref.size_bytes < 0:
            raise missing(ref)
        archive.add_parts(f"blobs/{ref.owner_id}/{ref.sha256}", ref.size_bytes, store.read(ref))
    except (BlobMissingError, BlobDamagedError) as error:
        contents.absent.append(Absent(ref.owner_id, ref.sha256, error.code))
    else:
        contents.blobs += 1
        contents.size_bytes += ref.size_bytes
