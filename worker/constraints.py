"""Whose checkpoints a restoration may use, and what tells those people apart; read when it runs."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy.orm import Session

from core.db import albums, checkpoints
from core.db.tables import Checkpoint, Job
from core.domain.errors import CheckpointNotReadyError
from core.domain.face import FaceWish
from core.domain.subject import CheckpointStatus
from core.pipeline.request import OWN
from core.services.wanted import AUTO
from core.storage.base import BlobRef

HELD_OUT = "held_out_photo_ids"
"""Among a checkpoint's scores: later tunings look through the album again, and may hold out others."""
EMBEDDING_SIZE, EMBEDDING_TYPE = 128, np.dtype("<f4")


@dataclass(frozen=True)
class Constraints:
    """What a restoration's job names, or may turn out to need.

    Attributes:
        whole: the checkpoint of the whole photo.
        own: checkpoints of single faces, by id.
        subjects: by checkpoint id, whose each is.
        references: embeddings of album photos, [N, 128], by checkpoint id, or "" for the whole photo's subject.
        held_out: those of photos that no tuning saw, by the same keys; without an entry there are none.
        recognise: whether the faces are to be told by those.
    """

    whole: BlobRef | None = None
    own: Mapping[str, BlobRef] = field(default_factory=dict)
    subjects: Mapping[str, str] = field(default_factory=dict)
    references: Mapping[str, np.ndarray] = field(default_factory=dict)
    held_out: Mapping[str, np.ndarray] = field(default_factory=dict)
    recognise: bool = False


class StoredCheckpoints(Mapping[str, bytes]):
    """Checkpoints by id, read when asked for, the last one kept: each may be as large as the prior itself."""

    def __init__(self, refs: Mapping[str, BlobRef], read: Callable[[BlobRef], bytes]) -> None:
        """Bind; nothing is read yet."""
        self._refs = refs
        self._read = read
        self._last: tuple[str, bytes] | None = None

    def __getitem__(self, checkpoint_id: str) -> bytes:
        """See `BlobStore.read` for the errors."""
        ref = self._refs[checkpoint_id]
        if self._last is None or self._last[0] != checkpoint_id:
            self._last = None  # two of them at once would be too much
            self._last = (checkpoint_id, self._read(ref))
        return self._last[1]

    def __contains__(self, checkpoint_id: object) -> bool:
        return checkpoint_id in self._refs

    def __iter__(self) -> Iterator[str]:
        return iter(self._refs)

    def __len__(self) -> int:
        return len(self._refs)

    def hashes(self) -> dict[str, str]:
        """The sha256 of each; none is read for that."""
        return {checkpoint_id: ref.sha256 for checkpoint_id, ref in self._refs.items()}

    def hold(self, data: bytes) -> bool:
        """Whether these bytes are one of them."""
        return bool(self._refs) and hashlib.sha256(data).hexdigest() in self.hashes().values()


def constraints_of(session: Session, job: Job) -> Constraints:
    """Look at what a restoration's job needs.

    Raises:
        CheckpointNotReadyError: a checkpoint that it names is gone, or was never made.
    """
    faces = job.options.get("faces")
    rows = [] if job.checkpoint_id is None else [_ready(session, job.checkpoint_id)]
    whole = _ref(rows[0]) if rows else None
    by_key = {OWN: rows[0]} if rows else {}
    if faces == AUTO:
        own = checkpoints.recognisable(session, job.owner_id, job.prior_sha256)
    else:
        named = {FaceWish.from_json(wish).checkpoint_id for wish in faces or ()} - {None}
        own = [_ready(session, str(checkpoint_id)) for checkpoint_id in sorted(named, key=str)]
    by_key |= {row.id: row for row in own}
    references = {key: _vectors(albums.references(session, *_album(row))) for key, row in by_key.items()}
    held_out = {
        key: _vectors(albums.held_out_references(session, *_album(row), row.scores.get(HELD_OUT)))
        for key, row in by_key.items()
    }
    if faces == AUTO:  # nobody is recognised by nothing
        own = [row for row in own if len(references[row.id])]
    return Constraints(
        whole=whole,
        own={row.id: _ref(row) for row in own},
        subjects={row.id: row.subject_id for row in (*rows, *own)},
        references={key: vectors for key, vectors in references.items() if len(vectors)},
        held_out={key: vectors for key, vectors in held_out.items() if len(vectors)},
        recognise=faces == AUTO,
    )


def _ready(session: Session, checkpoint_id: str) -> Checkpoint:
    row = session.get(Checkpoint, checkpoint_id)
    if row is None or row.status != CheckpointStatus.READY or row.blob_sha256 is None:
        raise CheckpointNotReadyError(
            "The checkpoint of this restoration is not there any more.", "Tune the album again, then retry."
        )
    return row


def _ref(row: Checkpoint) -> BlobRef:
    return BlobRef(row.owner_id, str(row.blob_sha256), row.size_bytes or 0)


def _album(row: Checkpoint) -> tuple[str, str]:
    return row.owner_id, row.subject_id


def _vectors(stored: Sequence[bytes]) -> np.ndarray:
    vectors = [np.frombuffer(one, dtype=EMBEDDING_TYPE) for one in stored]
    return np.asarray(vectors, dtype=np.float64).reshape(len(vectors), EMBEDDING_SIZE)
