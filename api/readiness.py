"""What is missing before requests can be served and jobs can run."""

from collections.abc import Iterator

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.schemas.problem import Cause
from api.service import Service
from core.db import schema, workers
from core.db.session import now_of
from core.db.stations import SET_ASIDE, state_of
from core.domain.errors import HeirloomError


def missing(service: Service) -> list[Cause]:
    """Everything at once, so that an operator has not to go step by step."""
    found: list[Cause] = []
    try:
        with service.database.read() as session:
            lacking = schema.missing(session)
            if lacking:
                names = ", ".join(lacking[:3]) + (", …" if len(lacking) > 3 else "")
                found.append(Cause(pointer="/migrations", detail=f"missing {names}: run `heirloom db upgrade`"))
            else:
                found += _of_workers(session, service)
    except SQLAlchemyError:
        found.append(Cause(pointer="/database", detail="the database does not answer"))
    return [*found, *_of_this_machine(service)]


def _of_workers(session: Session, service: Service) -> Iterator[Cause]:
    alive = workers.alive(session, service.terms.worker_life)
    now = now_of(session)
    if not alive:
        yield Cause(pointer="/worker", detail="no worker was heard of lately: start `heirloom worker`")
    elif all(state_of(worker, now) == SET_ASIDE for worker in alive):
        yield Cause(pointer="/worker", detail="every worker is set aside: GET /v1/system says why")


def _of_this_machine(service: Service) -> Iterator[Cause]:
    for name, check in (("/prior", lambda: service.offer), ("/disk", service.check_disk)):
        try:
            check()
        except HeirloomError as error:
            yield Cause(pointer=name, detail=str(error))
