"""A verdict that cannot be bad is none: each thing that must not be is put into sound evidence, and must be found."""

from dataclasses import replace

from tests.chaos.blame import losses, zombies
from tests.chaos.effects import Effect
from tests.chaos.fleet import Ended
from tests.chaos.journal import Done
from tests.chaos.ledger import Entry
from tests.chaos.outcomes import Outcome
from tests.chaos.plan import Kind
from tests.chaos.verdict import Evidence, findings

JOB, FIRST, SECOND = "job_1", "wkr_1", "wkr_2"
ENTRY = Entry("key", "direct", 1, 0.0, JOB, 0.5)


def effect(n, what, detail, attempt, held=None, status="running", worker=FIRST, writer="101", job=JOB):
    return Effect(n, float(n), writer, what, job, attempt, attempt if held is None else held, status, worker, detail)


SOUND = (
    effect(0, "worker", "host-101-ab", 0, status="", worker=FIRST, job=""),
    effect(0, "worker", "host-102-cd", 0, status="", worker=SECOND, job="", writer="102"),
    effect(1, "job", "queued>running", 1, held=0, status="queued", worker=""),
    effect(1, "event", f"claimed {FIRST}", 1),
    effect(2, "output", "restore|face-0|ab", 1),
    effect(10, "job", "running>queued", 1, writer="102"),
    effect(10, "event", f"lease_lost {FIRST}", 1, status="queued", worker="", writer="102"),
    effect(12, "job", "queued>running", 2, held=1, status="queued", worker="", writer="102"),
    effect(12, "event", f"claimed {SECOND}", 2, worker=SECOND, writer="102"),
    effect(13, "candidate", "0|0", 2, worker=SECOND, writer="102"),
    effect(13, "job", "running>succeeded", 2, worker=SECOND, writer="102"),
    effect(13, "event", "succeeded", 2, status="succeeded", worker="", writer="102"),
)
EVIDENCE = Evidence(
    outcomes=[Outcome(ENTRY, "succeeded", attempt=2, result=200)],
    asked=[ENTRY],
    made={1: 1},
    effects=SOUND,
    done=[Done(Kind.ZOMBIE, 3.0, 14.0, 101)],
    ended=[Ended(20.0, 101, 0)],
    statuses={202: 1},
    lease_seconds=4.0,
)


def kinds(evidence):
    return {finding.kind for finding in findings(evidence)}


def with_more(*effects):
    return replace(EVIDENCE, effects=[*SOUND, *effects])


def test_a_zombie_that_came_back_and_wrote_nothing_is_as_it_must_be():
    assert kinds(EVIDENCE) == set()
    assert zombies(losses(EVIDENCE.effects, EVIDENCE.done, EVIDENCE.ended), EVIDENCE.done) == 1


def test_what_was_accepted_and_is_gone_or_cannot_be_fetched_is_lost():
    assert kinds(replace(EVIDENCE, outcomes=[Outcome(ENTRY, "")])) == {"lost"}
    assert kinds(replace(EVIDENCE, outcomes=[Outcome(ENTRY, "succeeded", result=404)])) == {"lost"}
    assert kinds(replace(EVIDENCE, made={})) == {"lost"}


def test_what_has_not_ended_is_stuck():
    assert kinds(replace(EVIDENCE, outcomes=[Outcome(ENTRY, "running")])) == {"stuck"}


def test_one_request_that_made_two_jobs_is_doubled():
    assert kinds(replace(EVIDENCE, made={1: 2})) == {"doubled"}


def test_an_end_a_claim_or_a_candidate_that_comes_twice_is_doubled():
    end = effect(15, "event", "succeeded", 2, status="succeeded", worker="", writer="102")
    claim = effect(12, "event", f"claimed {SECOND}", 2, worker=SECOND, writer="102")
    candidate = effect(13, "candidate", "0|0", 2, worker=SECOND, writer="102")
    for again in (end, claim, candidate):
        assert kinds(with_more(again)) == {"doubled"}


def test_an_ended_job_that_moves_again_is_doubled():
    assert kinds(with_more(effect(15, "job", "succeeded>running", 2, status="succeeded"))) == {"doubled"}


def test_a_write_of_an_older_attempt_is_stale():
    stale = effect(12, "output", "restore|face-0|ab", 1, held=2, worker=SECOND)
    assert kinds(with_more(stale)) == {"stale"}


def test_a_write_by_who_does_not_hold_the_job_is_stale_even_under_the_right_number():
    for what, detail in (("output", "restore|face-0|cd"), ("candidate", "0|1"), ("job", "running>running")):
        assert kinds(with_more(effect(12, what, detail, 2, worker=SECOND, writer="101"))) == {"stale"}


def test_ends_without_a_reason_are_found_and_those_with_one_are_not():
    failed = Outcome(ENTRY, "failed", "image_unreadable")
    assert kinds(replace(EVIDENCE, outcomes=[failed])) == {"unexplained_end"}
    foreseen = replace(ENTRY, may_fail=("image_unreadable",))
    assert kinds(replace(EVIDENCE, outcomes=[replace(failed, entry=foreseen)])) == set()
    assert kinds(replace(EVIDENCE, outcomes=[Outcome(ENTRY, "cancelled")])) == {"unexplained_end"}
    assert kinds(replace(EVIDENCE, outcomes=[Outcome(ENTRY, "quarantined")])) == {"unexplained_end"}


def test_a_lease_lost_by_the_living_while_postgres_was_away_is_a_false_crash_mark():
    away = Done(Kind.POSTGRES_STOP, 8.0, 9.0)
    assert kinds(replace(EVIDENCE, done=[away])) == {"false_crash"}
    assert kinds(replace(EVIDENCE, done=[*EVIDENCE.done, away])) == set()


def test_a_worker_that_ends_by_itself_and_an_answer_500_are_found():
    assert kinds(replace(EVIDENCE, ended=[Ended(20.0, 101, 1)])) == {"died"}
    assert kinds(replace(EVIDENCE, ended=[Ended(20.0, 101, -9)])) == {"died"}
    assert kinds(replace(EVIDENCE, statuses={500: 1})) == {"internal_error"}
