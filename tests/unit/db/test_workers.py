from datetime import timedelta

from core.db import workers
from worker.presence import Presence


def test_a_worker_whose_first_word_was_written_but_not_answered_says_it_again_and_is_one(database):
    presence = Presence(database, "host-1-ab", dict)
    presence.register("cpu", "fp32", [])
    presence.register("cpu", "fp32", [])
    with database.read() as session:
        assert [worker.id for worker in workers.alive(session, timedelta(minutes=1))] == [presence.id]
