"""Files are not deleted while somebody begins to need them."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from core.db import files, jobs
from core.db.tables import Restoration
from core.domain.errors import ConflictError
from core.services import uploads
from tests import rows


def wait_until_somebody_waits(database):
    if database.is_sqlite:
        return  # who writes has the whole database
    for _ in range(2000):
        with database.read() as session:
            if session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                return
        time.sleep(0.005)
    pytest.fail("the deletion did not wait for the one who keeps the file")


def test_a_file_that_a_restoration_begins_to_need_is_not_deleted_at_the_same_moment(database):
    with database.write() as session:
        session.add(rows.file("a" * 64, id="fil_1"))

    def delete():
        with database.write() as session:
            uploads.delete(session, rows.OWNER, "fil_1")

    with ThreadPoolExecutor(1) as pool:
        with database.write() as session:
            assert uploads.get(session, rows.OWNER, "fil_1", keep=True)
            deleting = pool.submit(delete)
            wait_until_somebody_waits(database)
            job = jobs.insert(session, rows.job())
            row = session.get_one(Restoration, rows.restoration(session, []).id)
            row.job_id, row.file_id = job.id, "fil_1"
        with pytest.raises(ConflictError, match="needs this file"):
            deleting.result(timeout=30)
    with database.read() as session:
        assert files.get(session, rows.OWNER, "fil_1") is not None
