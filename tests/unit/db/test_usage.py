"""What was computed for whom, on both databases."""

from datetime import UTC, datetime, timedelta

from core.db import owners, usage
from tests import rows

NOW = datetime(2026, 3, 1, 22, 30, tzinfo=UTC)


def test_seconds_add_up_by_owner_and_day(database):
    with database.write() as session:
        other = owners.insert(session, "Ada", NOW).id
        for owner_id, moment, seconds in (
            (rows.OWNER, NOW, 1.5),
            (rows.OWNER, NOW + timedelta(hours=1), 2.0),
            (rows.OWNER, NOW + timedelta(hours=2), 40.0),
            (other, NOW, 600.0),
        ):
            usage.add(session, owner_id, moment, seconds)
    with database.read() as session:
        assert usage.of_today(session, rows.OWNER, NOW) == 3.5
        assert usage.of_today(session, rows.OWNER, NOW + timedelta(hours=2)) == 40.0
        assert usage.of_today(session, other, NOW) == 600.0
        assert usage.of_today(session, other, NOW + timedelta(days=3)) == 0.0


def test_a_day_ends_at_midnight_by_utc_wherever_one_is():
    assert usage.until_tomorrow(NOW) == timedelta(hours=1, minutes=30)


def test_old_days_can_be_forgotten(database):
    with database.write() as session:
        usage.add(session, rows.OWNER, NOW - timedelta(days=1), 1.0)
        usage.add(session, rows.OWNER, NOW, 2.0)
        usage.forget_before(session, NOW)
        assert usage.of_today(session, rows.OWNER, NOW - timedelta(days=1)) == 0.0
        assert usage.of_today(session, rows.OWNER, NOW) == 2.0
