"""The pipeline's ports over several jobs at once: one batch, and yet each job's artifacts, progress and end apart."""

import re
import time
from collections.abc import Callable, Sequence

from core import logs
from core.domain.errors import CancelledError, LeaseLostError
from core.pipeline.plan import StageCall
from worker.artifacts import RESUME_PREFIX, JobArtifacts
from worker.drain import Drain
from worker.endings import Endings
from worker.heartbeat import Heartbeat
from worker.held import HeldJob
from worker.watchdog import Watchdog

_PHOTO = re.compile(r"photo-(\d+)(.*)", re.DOTALL)
_HOLD_SECONDS = 0.2
_log = logs.get_logger(__name__)


class Group:
    """Jobs that are run together. Job n's photo is photo n of the request, and photo 0 of what is stored for it.

    So an artifact is found again whatever company its job has in the next attempt.
    """

    def __init__(
        self, members: Sequence[HeldJob], artifacts: Callable[[HeldJob], JobArtifacts], endings: Endings
    ) -> None:
        """Bind.

        Args:
            members: at least one.
            artifacts: makes a member's store.
            endings: writes a member's end.
        """
        self.members = tuple(members)
        self._stores = {member.id: artifacts(member) for member in members}
        self._endings = endings

    @property
    def open(self) -> list[HeldJob]:
        """Those there is still something to do for."""
        return [member for member in self.members if member.open]

    def drop_cancelled(self) -> None:
        """End those whose owner wants them stopped; the others go on."""
        for member in self.open:
            if member.cancel_requested:
                self.leave(member, self._endings.cancelled)

    def leave(self, member: HeldJob, end: Callable[[HeldJob], None]) -> None:
        """End one member; that it was lost meanwhile is no reason for the others to stop."""
        with logs.bound(job_id=member.id):
            try:
                end(member)
            except LeaseLostError:
                member.lost = True
                _log.warning("lease_lost", attempt=member.attempt)

    def release(self, member: HeldJob) -> None:
        """Forget what one member's photo was made of: it is done, and the others may take long."""
        self._stores[member.id].release()

    def stop_if_empty(self) -> None:
        """Stop the pipeline where nobody waits for it any more.

        Raises:
            CancelledError: nobody does.
        """
        if not self.open:
            raise CancelledError("Every job of this run has ended.")

    def routed(self, item: str) -> tuple[HeldJob, str]:
        """Whose an item is, and what it is called there."""
        match = _PHOTO.fullmatch(item)
        if match is None:
            return self.members[0], item
        return self.members[int(match[1])], f"photo-0{match[2]}"

    def get(self, stage: str, item: str, input_hash: str) -> bytes | None:
        """See `ArtifactStore.get`."""
        member, name = self.routed(item)
        try:
            return self._stores[member.id].get(stage, name, input_hash)
        except LeaseLostError:
            self.stop_if_empty()
            return None

    def put(self, stage: str, item: str, input_hash: str, data: bytes) -> None:
        """See `ArtifactStore.put`: for a member that has left, only the memory of this run."""
        member, name = self.routed(item)
        store = self._stores[member.id]
        if member.open:
            try:
                store.put(stage, name, input_hash, data)
            except LeaseLostError:
                pass
            except CancelledError:  # its subject was deleted
                self.leave(member, self._endings.cancelled)
        store.remember((stage, name, input_hash), data)
        if not stage.startswith(RESUME_PREFIX):
            self.stop_if_empty()

    def discard(self, stage: str, item: str, input_hash: str) -> None:
        """See `ArtifactStore.discard`."""
        member, name = self.routed(item)
        try:
            self._stores[member.id].discard(stage, name, input_hash)
        except LeaseLostError:
            self.stop_if_empty()
        except CancelledError:
            self.leave(member, self._endings.cancelled)


class GroupProgress:
    """The pipeline's `Progress` for a group: a batch's steps are told to the jobs whose photos are in it."""

    def __init__(self, group: Group, watchdog: Watchdog) -> None:
        """Bind; of what is not planned yet, an item's name says whose it is."""
        self._group = group
        self._watchdog = watchdog
        self._sources: dict[tuple[str, str], frozenset[int]] = {}

    def planned(self, calls: Sequence[StageCall]) -> None:
        """Hear which photos share a batch."""
        self._sources |= {(call.stage, item): frozenset(call.sources) for call in calls for item in call.items}

    def report(self, stage: str, item: str, done: int, total: int) -> None:
        """See `Progress.report`."""
        self._watchdog.step()
        for index in self._sources.get((stage, item)) or self._of(item):
            member = self._group.members[index]
            if member.open:
                member.progressed(stage, done, total)

    def _of(self, item: str) -> Sequence[int]:
        match = _PHOTO.fullmatch(item)
        return range(len(self._group.members)) if match is None else (int(match[1]),)


class GroupCancel:
    """The pipeline's `Cancel` for a group: stops when nobody waits any more, or when the worker must go."""

    def __init__(
        self, group: Group, heartbeat: Heartbeat, drain: Drain, watchdog: Watchdog, also: Callable[[], None]
    ) -> None:
        """Bind; `also` is called at each check: for jobs that are held, and not of this group."""
        self._also = also
        self._group = group
        self._heartbeat = heartbeat
        self._drain = drain
        self._watchdog = watchdog

    def check(self) -> None:
        """See `Cancel.check`; where no heartbeat gets through, it holds here until one does."""
        self._watchdog.step()
        self._also()
        self._group.drop_cancelled()
        self._group.stop_if_empty()
        if self._drain.requested:
            raise CancelledError("The worker was asked to stop.")
        if not all(self._heartbeat.sure_of(member) for member in self._group.open):
            self._hold()

    def _hold(self) -> None:
        _log.warning("holding_until_a_heartbeat_gets_through")
        while not all(self._heartbeat.sure_of(member) for member in self._group.open):
            if self._drain.requested:
                raise CancelledError("The worker was asked to stop.")
            self._watchdog.step()
            time.sleep(_HOLD_SECONDS)
        self._group.drop_cancelled()
        self._group.stop_if_empty()
