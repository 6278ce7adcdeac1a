"""A database that takes no writes is told apart from one that is away, on both databases."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from core.db.refused import WritesRefusedError
from core.db.session import Database
from core.db.tables import Owner
from tests import rows
from tests.rows import put, take
from tests.writes import refuse_writes


def test_while_writes_are_refused_what_is_there_can_be_read_and_nothing_is_half_done(database):
    job_id = put(database)
    with refuse_writes(database):
        with pytest.raises(WritesRefusedError):
            take(database)
        with database.read() as session:
            assert session.get_one(Owner, rows.OWNER).name == "local"
    assert take(database).id == job_id


def test_a_full_sqlite_file_refuses_writes(sqlite_database):
    with sqlite_database.write() as session:
        pages = session.scalar(text("PRAGMA page_count"))
        session.execute(text(f"PRAGMA max_page_count = {pages}"))

        def fill():
            for _ in range(50):
                session.add(rows.job(options={"x": "y" * 10_000}))
                session.flush()

        with pytest.raises(WritesRefusedError):
            fill()
        session.rollback()


def test_other_errors_stay_what_they_are(database):
    with pytest.raises(IntegrityError):
        put(database, owner_id="own_nobody")
    with pytest.raises(OperationalError) as caught, Database("postgresql://nobody@127.0.0.1:1/nothing").write():
        pass
    assert not isinstance(caught.value, WritesRefusedError)
