"""Moments mean the same on both databases."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import StatementError

from core.db.session import now_of
from core.db.tables import Job
from core.db.types import Instant
from tests import rows
from tests.rows import look, put

SQLITE = sqlite.dialect()
MOMENTS = st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.timezones())  # hypothesis adds the zone


def test_a_moment_comes_back_in_utc_to_the_microsecond(database):
    moment = datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    back = look(database, put(database, start_by=moment)).start_by
    assert back == moment
    assert back.tzinfo is UTC


def test_a_moment_without_a_zone_is_refused(database):
    with pytest.raises(StatementError, match="needs a time zone"):
        put(database, start_by=datetime(2026, 1, 1))  # that is the point


def test_moments_are_compared_by_the_database(database):
    with database.read() as session:
        now = now_of(session)
    early = put(database, start_by=now - timedelta(microseconds=1))
    put(database, start_by=now + timedelta(microseconds=1))
    with database.read() as session:
        assert session.scalars(select(Job.id).where(Job.start_by < now)).all() == [early]


@given(MOMENTS, MOMENTS)
def test_the_text_of_moments_sorts_as_the_moments_do(one, other):
    def text(moment):
        return Instant().process_bind_param(moment, SQLITE)

    # In UTC, because Python calls an hour that a zone has twice equal to nothing in another zone (PEP 495).
    assert (text(one) < text(other)) == (one.astimezone(UTC) < other.astimezone(UTC))
    assert Instant().process_result_value(text(one), SQLITE) == one.astimezone(UTC)


def test_the_clock_is_the_database_s_and_goes_on_within_a_transaction(database):
    with database.read() as session:
        first, second = now_of(session), now_of(session)
    assert first.tzinfo is UTC
    assert first < second or database.is_sqlite
    assert abs(datetime.now(UTC) - first) < timedelta(minutes=1)
    assert first > rows.NOW
