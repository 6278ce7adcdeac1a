"""Loading a backup into an empty installation, of whatever database and store: all of it, or nothing."""

import json
from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db import blobs, dump, queue, sweeping
from core.db.session import Database, now_of
from core.db.tables import Job
from core.domain.errors import SettingsError, StorageError
from core.domain.job import JobEvent, JobStatus
from core.services.backup.archive import ArchiveReader, Contents, damaged
from core.storage.base import BlobRef, BlobStore

_BY_TABLE = {table.name: table for table in dump.tables()}


def load(database: Database, store: BlobStore, revision: str, archive: ArchiveReader) -> Contents:
    """Check the whole archive, then store its blobs, then write its rows in one transaction.

    Jobs that were running are queued again. Where anything fails nothing of it stays; of a process that was killed the
    blobs stay that it had stored, and a second call finds them, or a sweep takes them a day later.

    Args:
        database: empty, at that revision.
        store: where its blobs shall be.
        revision: of the schema.
        archive: the backup.

    Returns:
        What was loaded.

    Raises:
        InvalidRequestError: it is no backup.
        BlobDamagedError: it is damaged.
        SettingsError: something is kept here already, or the archive is of another revision.
        StorageError: the store cannot be reached, or somebody else sweeps or loads at this moment.
        DiskFullError: no space is left.
    """
    made_at = archive.head().get("revision")
    if made_at != revision:
        raise SettingsError(
            f"The backup is at revision {made_at}, and this version of Heirloom needs {revision}.",
            "Load it with the version that made it, then upgrade.",
        )
    with sweeping.alone(database) as mine:
        if not mine:
            raise StorageError("A sweep, a backup or another load is under way.", "Try again once it has ended.")
        with database.read() as session:
            _demand_empty(session)
        contents = archive.checked()
        with database.write() as session:
            for rows in _rows(archive, dump.OWNERS):  # before their blobs, which point to them
                dump.insert(session, _BY_TABLE[dump.OWNERS], rows)
        stored: list[BlobRef] = []
        try:
            _store(store, archive, stored)
            with database.write() as session:
                _demand_empty(session)
                _write_rows(session, archive)
                blobs.mark_ready(session, *stored)
        except BaseException:
            _take_back(database, store, stored)
            raise
    return contents


def _demand_empty(session: Session) -> None:
    if not dump.is_empty(session):
        raise SettingsError(
            "Something is kept here already, and a backup replaces nothing.",
            "Load it into a new database, or a new HEIRLOOM_HOME.",
        )


def _rows(archive: ArchiveReader, wanted: str | None = None) -> Iterator[list[dump.Row]]:
    for name, lines in archive.tables():
        if wanted in (None, name):
            yield _parsed(name, lines)


def _parsed(name: str, lines: bytes) -> list[dump.Row]:
    table = _BY_TABLE.get(name)
    if table is None:
        raise damaged("it has a table that is none of ours")
    try:
        return [dump.values(table, json.loads(line)) for line in lines.splitlines()]
    except (ValueError, TypeError, RecursionError) as error:
        raise damaged(f"a row of {name} is none of ours") from error


def _write_rows(session: Session, archive: ArchiveReader) -> None:
    for name, lines in archive.tables():
        dump.insert(session, _BY_TABLE[name], _parsed(name, lines))
    dump.count_on(session)
    now = now_of(session)
    for job in session.scalars(select(Job).where(Job.status == JobStatus.RUNNING).order_by(Job.id)).all():
        queue.move(session, job, JobEvent.DRAINED, now)  # its worker is elsewhere; without a mark against the job


def _store(store: BlobStore, archive: ArchiveReader, stored: list[BlobRef]) -> None:
    """Store every blob, and note it as soon as it is."""
    for ref, pieces in archive.blobs():
        with store.writer(ref.owner_id) as writer:
            for piece in pieces:
                writer.write(piece)
            stored.append(writer.finish())
        if stored[-1] != ref:
            raise damaged("it changed while it was read")


def _take_back(database: Database, store: BlobStore, stored: list[BlobRef]) -> None:
    with database.read() as session:
        named = blobs.named(session)
    for ref in stored:
        if (ref.owner_id, ref.sha256) not in named:
            store.delete(ref)
            with database.write() as session:
                blobs.forget(session, ref)
