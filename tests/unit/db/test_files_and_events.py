"""Files and timelines as their owner sees them."""

from datetime import timedelta

from core.db import events, files
from core.db.session import now_of
from core.db.tables import Job, Owner
from tests import rows
from tests.rows import put


def test_an_owner_sees_only_his_own_files_newest_first(database):
    with database.write() as session:
        session.add(Owner(id="own_other", name="other", created_at=rows.NOW))
        session.flush()
        for number in range(5):
            files.insert(session, rows.file("a" * 64, id=f"fil_{number}"))
        files.insert(session, rows.file("a" * 64, id="fil_5", owner_id="own_other"))
    with database.read() as session:
        assert [file.id for file in files.listed(session, rows.OWNER, limit=2)] == ["fil_4", "fil_3"]
        assert [file.id for file in files.listed(session, rows.OWNER, 9, "fil_3")] == ["fil_2", "fil_1", "fil_0"]
        assert files.get(session, rows.OWNER, "fil_5") is None
        assert files.get(session, "own_other", "fil_5") is not None
    with database.write() as session:
        assert not files.delete(session, rows.OWNER, "fil_5")
        assert files.delete(session, rows.OWNER, "fil_0")
        assert not files.delete(session, rows.OWNER, "fil_0")


def test_a_timeline_is_read_from_where_one_stopped(database):
    job_id = put(database)
    with database.write() as session:
        job = session.get_one(Job, job_id)
        for number in range(3):
            events.append(session, job, "stage", now_of(session) + timedelta(seconds=number), {"stage": str(number)})
    with database.read() as session:
        all_of_them = events.after(session, rows.OWNER, job_id)
        assert [event.type for event in all_of_them] == ["created", "stage", "stage", "stage"]
        rest = events.after(session, rows.OWNER, job_id, all_of_them[1].id, limit=1)
        assert [event.data for event in rest] == [{"stage": "1"}]
        assert events.after(session, "own_other", job_id) == []
