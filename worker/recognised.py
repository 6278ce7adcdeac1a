"""Whose checkpoints a job takes that recognises people: known once its faces are, and named then."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db import restorations
from core.db.tables import Checkpoint
from core.domain.errors import CancelledError, CheckpointNotReadyError
from core.domain.subject import CheckpointStatus
from core.pipeline.plan import StageCall
from worker.fence import fenced
from worker.held import HeldJob
from worker.patience import Patience


def name_used(held: HeldJob, calls: Sequence[StageCall], patience: Patience) -> None:
    """Tie a job to the people that its photo surely shows, and to nobody else it was compared with.

    From here on their checkpoints are kept for it, and it goes with its subjects.

    Args:
        held: the job.
        calls: what is to be done for its photo.
        patience: waits for the database.

    Raises:
        CancelledError: one of them was deleted meanwhile, or the restoration was.
        CheckpointNotReadyError: a checkpoint was deleted while the faces were compared.
        LeaseLostError: the job is not ours any more.
    """
    used = {call.checkpoint_id for call in calls if call.checkpoint_id is not None}
    held.subject_ids |= {held.subjects[checkpoint_id] for checkpoint_id in used}
    patience.write(held, lambda session: _name(session, held, used))


def _name(session: Session, held: HeldJob, used: set[str]) -> None:
    job = fenced(session, held)
    row = restorations.get(session, job.owner_id, str(job.restoration_id), lock=True)
    if row is None:
        raise CancelledError("The restoration of this job was deleted.")
    # Their subjects are locked, and who deletes a checkpoint locks its subject first: what is there stays.
    query = select(Checkpoint.id).where(Checkpoint.id.in_(used), Checkpoint.status == CheckpointStatus.READY)
    if set(session.scalars(query)) != used:
        raise CheckpointNotReadyError(
            "A checkpoint was deleted while the faces were compared with its person.",
            "Retry the job: whoever is known then is recognised.",
        )
    # An attempt of before may have recognised others, who are known no more.
    restorations.name_checkpoints(session, row, {one: held.subjects[one] for one in sorted(used)})
