"""What somebody asks of the pipeline, and what they get."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from core.domain.errors import HeirloomError


@dataclass(frozen=True)
class Photo:
    """One uploaded photo, still encoded.

    Attributes:
        label: what the person calls it; shown to them, never logged, never hashed.
        data: the file's bytes.
        aligned: it already is a face crop in FFHQ framing.
        seed: of everything random about this photo; None: the request's. So photos of several requests share a batch.
    """

    label: str
    data: bytes = field(repr=False)
    aligned: bool = False
    seed: int | None = None

    @cached_property
    def sha256(self) -> str:
        """Of the bytes, and of how they are to be read."""
        return hashlib.sha256(self.data + (b"aligned" if self.aligned else b"")).hexdigest()


@dataclass(frozen=True)
class TuneRequest:
    """Make a subject checkpoint from an album.

    Attributes:
        album: the person's photos.
        seed: of everything random.
    """

    album: tuple[Photo, ...]
    seed: int = 0


@dataclass(frozen=True)
class RestoreRequest:
    """Restore photos, all in one mode (the recipe's).

    Attributes:
        photos: what to restore.
        checkpoint: a subject checkpoint's bytes, for the personal mode.
        album: or the album to tune on first.
        candidates: results wanted for each photo, each with other noise.
        seed: of everything random.
        native: return the prior's own resolution instead of the crop's.
    """

    photos: tuple[Photo, ...]
    checkpoint: bytes | None = field(default=None, repr=False)
    album: tuple[Photo, ...] = ()
    candidates: int = 1
    seed: int = 0
    native: bool = False

    def seed_of(self, index: int) -> int:
        """The seed of one of its photos."""
        own = self.photos[index].seed
        return self.seed if own is None else own


@dataclass(frozen=True)
class Candidate:
    """One restored face.

    Attributes:
        image: what to show, [S, S, 3] uint8.
        native: the prior's own output, [R, R, 3] uint8.
        scores: name → number, see core.pipeline.quality.
    """

    image: np.ndarray
    native: np.ndarray
    scores: dict[str, float]


@dataclass(frozen=True)
class PhotoResult:
    """What became of one photo: candidates, or the error that stopped it; never its own pixels as a result.

    Attributes:
        label: the photo's.
        crop: the aligned face as it was, [S, S, 3] uint8; None if there is none.
        candidates: best first, which means by `identity_to_photo`: likest to the face in the photo as it was sent. On
            a badly degraded photo that says little. Empty on an error.
        error: why there is no result, or None.
    """

    label: str
    crop: np.ndarray | None
    candidates: tuple[Candidate, ...]
    error: HeirloomError | None = None


@dataclass(frozen=True)
class AlbumPhotoReport:
    """Whether an album photo was kept.

    Attributes:
        label: the photo's.
        kept: used for tuning.
        code: why not: an error's code, or "duplicate"; empty if kept.
        reason: the same for people.
    """

    label: str
    kept: bool
    code: str = ""
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """For `--json` and the REST API."""
        return {"label": self.label, "kept": self.kept, "code": self.code, "reason": self.reason}


@dataclass(frozen=True)
class Result:
    """What a run made.

    Attributes:
        photos: one for each requested photo, in their order.
        checkpoint: a subject checkpoint's bytes, where one was tuned from an album.
        album: the album report, where there was an album.
        seconds: per stage, measured; only what was really run.
    """

    photos: tuple[PhotoResult, ...] = ()
    checkpoint: bytes | None = field(default=None, repr=False)
    album: tuple[AlbumPhotoReport, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
