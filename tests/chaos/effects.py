"""What the database itself writes down of every write that counts: a table without a constraint, so that doubles show.

Triggers put a line into it, in the transaction of the write: what is rolled back leaves none. Beside what is written
the line says how the job stood at that moment, and on Postgres who wrote: the pid that `tests.chaos.hooks` gave the
connection.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.db.session import Database

_COLUMNS = "what, job_id, attempt, held_attempt, held_status, worker_id, detail"
_SQLITE_NOW = "(julianday('now') - 2440587.5) * 86400.0"


@dataclass(frozen=True)
class Effect:
    """One write.

    Attributes:
        n: in the order of writing; of one job, the order of commits.
        at: seconds since 1970, by the database's clock.
        writer: the pid of a worker; empty: the API, or SQLite, which has no such thing.
        what: event, output, candidate, checkpoint, told (to webhooks), job or worker.
        job_id: whose.
        attempt: that the write says it is of.
        held_attempt: the job's own at that moment.
        held_status: the job's own at that moment.
        worker_id: who held the job; of a worker's row, its own.
        detail: what exactly.
    """

    n: int
    at: float
    writer: str
    what: str
    job_id: str
    attempt: int
    held_attempt: int
    held_status: str
    worker_id: str
    detail: str


def _of_job(job_id: str, columns: str) -> str:
    return f"SELECT {columns} FROM jobs WHERE id = {job_id}"  # noqa: S608  # our own words


# table, when, what, condition, SELECT of _COLUMNS after `what`; NEW and OLD are the row's.
_TRIGGERS = (
    (
        "job_events",
        "INSERT",
        "event",
        "",
        _of_job("NEW.job_id", "id, NEW.attempt, attempt, status, COALESCE(worker_id, ''), {event}"),
    ),
    (
        "stage_outputs",
        "INSERT OR UPDATE",
        "output",
        "",
        _of_job(
            "NEW.job_id",
            "id, NEW.attempt, attempt, status, COALESCE(worker_id, ''),"
            " NEW.stage || '|' || NEW.item || '|' || NEW.input_hash",
        ),
    ),
    (
        "candidates",
        "INSERT",
        "candidate",
        "",
        "SELECT j.id, j.attempt, j.attempt, j.status, COALESCE(j.worker_id, ''), CAST(NEW.face AS TEXT) || '|' ||"
        " CAST(NEW.number AS TEXT) FROM restorations r JOIN jobs j ON j.id = r.job_id WHERE r.id = NEW.restoration_id",
    ),
    (
        "checkpoints",
        "UPDATE",
        "checkpoint",
        "NEW.status = 'ready' AND OLD.status <> 'ready'",
        _of_job("NEW.job_id", "id, attempt, attempt, status, COALESCE(worker_id, ''), NEW.id"),
    ),
    (
        "jobs",
        "UPDATE",
        "job",
        "",
        "SELECT NEW.id, NEW.attempt, OLD.attempt, OLD.status, COALESCE(OLD.worker_id, ''),"
        " OLD.status || '>' || NEW.status",
    ),
    (
        "outbox",
        "INSERT",
        "told",
        "",
        _of_job("{told_job}", "id, attempt, attempt, status, COALESCE(worker_id, ''), NEW.type"),
    ),
    ("workers", "INSERT", "worker", "", "SELECT '', 0, 0, '', NEW.id, NEW.name"),
)


def install(database: Database) -> None:
    """Make the table and its triggers in a migrated database."""
    with database.write() as session:
        for statement in _sqlite() if database.is_sqlite else _postgres():
            session.execute(text(statement.replace(":", "\\:")))


def read(session: Session, after: int = 0) -> Sequence[Effect]:
    """Everything that was written after a line, in order."""
    table = "chaos_effects" if session.get_bind().dialect.name == "sqlite" else "chaos.effects"
    at = "at" if session.get_bind().dialect.name == "sqlite" else "extract(epoch FROM at)"
    rows = session.execute(
        text(f"SELECT n, {at}, writer, {_COLUMNS} FROM {table} WHERE n > \\:after ORDER BY n".replace("\\:", ":")),  # noqa: S608  # our own words
        {"after": after},
    )
    return [Effect(row[0], float(row[1]), row[2] or "", *row[3:]) for row in rows]


def _postgres() -> list[str]:
    statements = [
        "CREATE SCHEMA chaos",
        "CREATE SEQUENCE chaos.effects_n",
        "CREATE TABLE chaos.effects (n bigint DEFAULT nextval('chaos.effects_n'),"
        " at timestamptz DEFAULT clock_timestamp(),"
        " writer text DEFAULT current_setting('chaos.writer', true), what text, job_id text, attempt int,"
        " held_attempt int, held_status text, worker_id text, detail text)",
    ]
    for table, when, what, condition, select in _TRIGGERS:
        event = "NEW.type || COALESCE(' ' || (CAST(NEW.data AS jsonb)->>'worker_id'), '')"
        told_job = "CAST(NEW.payload AS jsonb)->'data'->>'job_id'"
        chosen = select.format(event=event, told_job=told_job).replace("SELECT ", f"SELECT '{what}', ", 1)
        body = f"INSERT INTO chaos.effects ({_COLUMNS}) {chosen};"
        guard = f"WHEN ({condition}) " if condition else ""
        statements += [
            f"CREATE FUNCTION chaos.on_{table}() RETURNS trigger LANGUAGE plpgsql AS"  # our own words
            f" $$ BEGIN {body} RETURN NEW; END $$",
            f"CREATE TRIGGER chaos_effect AFTER {when} ON {table} FOR EACH ROW {guard}"
            f"EXECUTE FUNCTION chaos.on_{table}()",
        ]
    return statements


def _sqlite() -> list[str]:
    statements = [
        f"CREATE TABLE chaos_effects (n INTEGER PRIMARY KEY, at REAL DEFAULT ({_SQLITE_NOW}), writer TEXT, what TEXT,"
        " job_id TEXT, attempt INT, held_attempt INT, held_status TEXT, worker_id TEXT, detail TEXT)"
    ]
    for table, when, what, condition, select in _TRIGGERS:
        event = "NEW.type || COALESCE(' ' || json_extract(NEW.data, '$.worker_id'), '')"
        told_job = "json_extract(NEW.payload, '$.data.job_id')"
        chosen = select.format(event=event, told_job=told_job).replace("SELECT ", f"SELECT '{what}', ", 1)
        guard = f"WHEN {condition} " if condition else ""
        for number, one in enumerate(when.split(" OR ")):
            statements.append(
                f"CREATE TRIGGER chaos_{table}_{number} AFTER {one} ON {table} {guard}"
                f"BEGIN INSERT INTO chaos_effects ({_COLUMNS}) {chosen}; END"
            )
    return statements
