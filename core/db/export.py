"""Every row about a subject, with all its columns: what is added to a table is exported without a line here."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, Text, cast, inspect, select
from sqlalchemy.orm import Session

from core.db import files, jobs, restorations
from core.db.tables import (
    AlbumPhoto,
    Base,
    CandidateRow,
    Checkpoint,
    File,
    Job,
    JobEventRow,
    Restoration,
    RestorationCheckpoint,
    StageOutput,
    Subject,
)

Row = dict[str, Any]


def rows_about(session: Session, owner_id: str, subject_id: str) -> dict[str, list[Row]]:
    """By table, the rows about one of an owner's subjects.

    Args:
        session: one that sees one moment (`Database.snapshot`).
        owner_id: whose.
        subject_id: which.
    """
    results = restorations.of_subject(session, owner_id, subject_id)
    result_ids = [result.id for result in results]
    photos = [result.file_id for result in results if result.file_id is not None]
    file_ids = files.used_for(session, owner_id, subject_id, photos)
    theirs = select(Job.id).where(Job.owner_id == owner_id, jobs.of_subject(owner_id, subject_id))
    job_ids = [*session.scalars(theirs)]
    wanted: list[tuple[type[Base], ColumnElement[bool]]] = [
        (Subject, Subject.id == subject_id),
        (AlbumPhoto, AlbumPhoto.subject_id == subject_id),
        (Checkpoint, Checkpoint.subject_id == subject_id),
        (Restoration, Restoration.id.in_(result_ids)),
        (CandidateRow, CandidateRow.restoration_id.in_(result_ids)),
        (RestorationCheckpoint, RestorationCheckpoint.subject_id == subject_id),
        (File, File.id.in_(file_ids)),
        (Job, Job.id.in_(job_ids)),
        (JobEventRow, JobEventRow.job_id.in_(job_ids)),
        (StageOutput, StageOutput.job_id.in_(job_ids)),
    ]
    return {table.__tablename__: _rows(session, table, owner_id, condition) for table, condition in wanted}


def _rows(session: Session, table: type[Base], owner_id: str, condition: ColumnElement[bool]) -> list[Row]:
    # The columns themselves, for an object would leave out those that are loaded only when they are asked for.
    selectable = inspect(table).local_table
    if not isinstance(selectable, Table):
        raise TypeError(f"{table.__name__} is no table")
    query = select(selectable).where(selectable.c.owner_id == owner_id, condition)
    return [dict(row._mapping) for row in session.execute(query.order_by(*selectable.primary_key))]


def supposed_in(session: Session, owner_id: str, subject_id: str) -> Sequence[str]:
    """The ids of restorations in which a face was only supposed to be theirs."""
    named = cast(Restoration.faces, Text).contains(subject_id, autoescape=True)
    query = select(Restoration.id).where(Restoration.owner_id == owner_id, named).order_by(Restoration.id)
    return session.scalars(query).all()
