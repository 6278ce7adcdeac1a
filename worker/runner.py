"""Runs claimed jobs: the one place where the pipeline and the database meet."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from typing import cast

from sqlalchemy.orm import Session

from core import logs
from core.db.tables import Job
from core.domain.errors import (
    AlbumMixedIdentityError,
    AlbumTooSmallError,
    CancelledError,
    DrainedError,
    LeaseLostError,
    OutOfMemoryError,
    StorageError,
)
from core.domain.job import JobKind
from core.imaging.faces.open import FinderChoice
from core.imaging.opening import Limits
from core.imaging.original.reading import working_copy
from core.pipeline.checkpoint import apply_checkpoint
from core.pipeline.plan import StageCall, plan
from core.pipeline.ports import Decode, Ports
from core.pipeline.request import Photo, PhotoResult, TuneRequest
from core.pipeline.run import run
from core.priors.devices import is_lost
from core.priors.diffusers_unet import UNetPrior
from core.recipes.schema import Recipe, build_recipe
from core.storage.base import BlobStore
from worker.artifacts import JobArtifacts, write_album_report
from worker.constraints import StoredCheckpoints
from worker.drain import Drain
from worker.endings import Endings
from worker.errors import verdict_on
from worker.gpu import Gpu
from worker.groups import Group, GroupCancel, GroupProgress
from worker.heartbeat import Heartbeat
from worker.held import HeldJob
from worker.inputs import Inputs
from worker.patience import AWAY, Patience
from worker.recent import Recent
from worker.recognised import name_used
from worker.results import Results
from worker.watchdog import Watchdog

_log = logs.get_logger(__name__)


class Runner:
    """Of one worker; it runs one group at a time."""

    def __init__(
        self,
        gpu: Gpu,
        store: BlobStore,
        patience: Patience,
        heartbeat: Heartbeat,
        drain: Drain,
        watchdog: Watchdog,
        photo_days: int,
        checkpoint_days: int,
        finder: FinderChoice,
        decode: Decode = working_copy,
        limits: Limits | None = None,
    ) -> None:
        """Bind the worker's parts."""
        self._decode = decode
        self._limits = limits or Limits()
        self._gpu = gpu
        self._store = store
        self._patience = patience
        self._heartbeat = heartbeat
        self._drain = drain
        self._watchdog = watchdog
        self._waiting: Sequence[HeldJob] = ()
        self._inputs = Inputs(store, patience, finder)
        self._endings = Endings(patience, gpu.measured)
        self._results = Results(store, patience, self._endings, photo_days, checkpoint_days, self._limits)

    def run(self, members: Sequence[HeldJob]) -> None:
        """Run jobs to their end, or back into the queue; no error of theirs comes out of here.

        Args:
            members: one job, or several restorations with one `batch_key`.
        """
        self._gpu.start_measuring()
        with self._heartbeat.holding(members), self._watchdog.working():
            if not self._run(members):
                self._gpu.clear()
                for place, held in enumerate(members):
                    self._waiting = members[place + 1 :]
                    self._drop_cancelled()
                    if held.open:
                        held.begins_alone()
                        self._run([held])
                self._waiting = ()
        self._gpu.trim()

    def _drop_cancelled(self) -> None:
        """End those whose owner wants them stopped before their turn has come."""
        self._leave([held for held in self._waiting if held.cancel_requested], self._endings.cancelled)

    def hand_back(self) -> None:
        """Give the jobs in hand back where a drain's time is over and the step in hand is not; from any thread.

        The database knows then that they are not this attempt's any more: what the step still brings is not written.
        """
        held = self._heartbeat.held
        if held:
            _log.warning("handed_back_within_a_step", job_ids=[one.id for one in held])
        self._leave(held, self._endings.drained)

    def _run(self, members: Sequence[HeldJob]) -> bool:
        """Run jobs together; False where an error of one, nobody knows which, stopped several: each runs alone then."""
        with _named_in_log(members):
            try:
                self._work(members)
            except (CancelledError, DrainedError):
                self._leave(members, self._endings.drained)
            except Exception as error:  # whatever a job meets is its own end, not the worker's
                if is_lost(error):  # but a device that is gone would be the end of every job of the queue
                    self._watchdog.give_up()
                    raise
                if len(members) > 1 and not isinstance(error, AWAY):
                    _log.warning("run_apart", error=error, exc_info=error)
                    return False
                if isinstance(error, LeaseLostError):
                    _log.warning("run_dropped", error=error)
                else:
                    self._fail(members, error)
        return True

    def _work(self, members: Sequence[HeldJob]) -> None:
        if members[0].job.kind == JobKind.RESTORATION:
            photos = {held.id: photo for held in members if (photo := self._photo_of(held)) is not None}
            self._twice(partial(self._restore, members, photos))
        else:
            self._twice(partial(self._tune, members[0], self._inputs.album(members[0])))

    def _twice(self, work: Callable[[], None]) -> None:
        """Once more with an empty cache where memory ran out: what other jobs left there may be why."""
        try:
            work()
        except OutOfMemoryError:
            _log.warning("out_of_memory_once")
        else:
            return
        # Not inside the handler: there the error's traceback still holds the attempt's tensors.
        self._gpu.clear()
        work()

    def _photo_of(self, held: HeldJob) -> Photo | None:
        """A job's photo; a job whose photo is not there ends alone."""
        try:
            return self._inputs.photo(held)
        except (CancelledError, DrainedError):
            raise
        except LeaseLostError:
            return None
        except Exception as error:  # see `run`
            self._fail([held], error)
            return None

    def _restore(self, all_members: Sequence[HeldJob], photos: Mapping[str, Photo]) -> None:
        members = [held for held in all_members if held.id in photos and held.open]
        if not members:
            return
        recipe, prior = self._opened(members[0])
        request = self._inputs.restoration(members, [photos[held.id] for held in members])
        own = cast(StoredCheckpoints, request.checkpoints)
        calls = plan(request, recipe, prior.spec)
        group = self._group(members)

        def on_photo(index: int, result: PhotoResult) -> None:
            held = members[index]
            if held.open and result.error is not None:
                self._fail([held], result.error)
            elif held.open:
                group.leave(held, partial(self._results.restoration, result=result, photo=photos[held.id].data))
            group.release(held)

        def constrain(untouched: UNetPrior, checkpoint: bytes) -> UNetPrior:
            # A generative face's own checkpoint is used once: it must not push others out of the cache.
            ready = checkpoint == request.checkpoint or own.hold(checkpoint)
            return self._gpu.constrained(untouched, checkpoint) if ready else apply_checkpoint(untouched, checkpoint)

        progress = GroupProgress(group, self._watchdog)

        def planned(calls: Sequence[StageCall]) -> None:
            if request.recognise:  # such a photo is alone in its group
                name_used(members[0], calls, self._patience)
            progress.planned(calls)

        ports = self._ports(group, progress)
        run(calls, request, recipe, prior, ports, on_photo, forget=True, constrain=constrain, on_calls=planned)

    def _tune(self, held: HeldJob, request: TuneRequest) -> None:
        recipe, prior = self._opened(held)
        wanted = held.job.kind == JobKind.CHECKPOINT or bool(held.job.options.get("tune", True))
        calls = plan(request, recipe, prior.spec)
        if not wanted:
            calls = tuple(call for call in calls if call.stage != "finetune")
        group = self._group([held])
        result = run(calls, request, recipe, prior, self._ports(group, GroupProgress(group, self._watchdog)))
        if result.checkpoint is None:
            self._results.curated(held)
        else:
            photos = result.album.photos if result.album is not None else ()
            self._results.tuned(held, result.checkpoint, [photo.label for photo in photos if photo.held_out])

    def _opened(self, held: HeldJob) -> tuple[Recipe, UNetPrior]:
        return build_recipe(held.job.recipe), self._gpu.prior(held.job.prior_sha256)

    def _group(self, members: Sequence[HeldJob]) -> Group:
        recent = Recent()
        return Group(members, lambda held: JobArtifacts(held, self._store, self._patience, recent), self._endings)

    def _ports(self, group: Group, progress: GroupProgress) -> Ports:
        cancel = GroupCancel(group, self._heartbeat, self._drain, self._watchdog, self._drop_cancelled)
        return Ports(progress, cancel, group, self._decode, self._limits)

    def _fail(self, members: Sequence[HeldJob], error: Exception) -> None:
        verdict = verdict_on(error)
        report = error.report if isinstance(error, AlbumTooSmallError | AlbumMixedIdentityError) else None

        def write(session: Session, job: Job, now: datetime) -> None:
            if report is not None:
                write_album_report(session, job, report, now)

        self._leave(members, lambda held: self._endings.by_verdict(held, verdict, write))

    def _leave(self, members: Sequence[HeldJob], end: Callable[[HeldJob], None]) -> None:
        """End those that are still open; where even that cannot be written, the lease will run out."""
        for held in members:
            if not held.open:
                continue
            with logs.bound(job_id=held.id):
                try:
                    end(held)
                except (LeaseLostError, DrainedError, StorageError, *AWAY) as error:
                    held.lost = True
                    _log.warning("end_not_written", error=error)


def _named_in_log(members: Sequence[HeldJob]) -> AbstractContextManager[None]:
    """Which jobs a line is about: one, or all of a batch."""
    if len(members) == 1:
        return logs.bound(job_id=members[0].id)
    return logs.bound(job_ids=[held.id for held in members])
