"""Putting a job into the queue: what every kind has in common."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from core.db import jobs
from core.db.session import now_of
from core.db.tables import Job
from core.domain.ids import Prefix, new_id
from core.domain.job import JobKind, JobStatus
from core.priors.spec import PriorSpec
from core.recipes.schema import Recipe


@dataclass(frozen=True)
class Order:
    """What a job is to make.

    Attributes:
        kind: of job.
        recipe: complete and checked.
        prior: what it is made with.
        seed: of everything random.
        cost_forwards: network forwards that it takes.
        options: see `core.db.tables.Job`; they depend on the kind.
        columns: what else stands in the row, e.g. subject_id.
    """

    kind: JobKind
    recipe: Recipe
    prior: PriorSpec
    seed: int
    cost_forwards: int
    options: dict[str, Any]
    columns: dict[str, Any]


def enqueue(session: Session, owner_id: str, order: Order, job_id: str | None = None) -> Job:
    """A new queued job; its workers are woken after the commit, by whoever commits."""
    return jobs.insert(
        session,
        Job(
            id=job_id or new_id(Prefix.JOB),
            owner_id=owner_id,
            kind=order.kind,
            status=JobStatus.QUEUED,
            prior_name=order.prior.name,
            prior_sha256=order.prior.sha256,
            recipe=order.recipe.model_dump(mode="json"),
            recipe_digest=order.recipe.digest(),
            seed=order.seed,
            options=order.options,
            cost_forwards=order.cost_forwards,
            metrics={},
            warnings=[],
            created_at=now_of(session),
            **order.columns,
        ),
    )
