"""What somebody asks of the pipeline, and what they get."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from core.domain.curation import CurationReport
from core.domain.errors import HeirloomError
from core.domain.face import Box, FaceVerdict, FaceWish
from core.imaging.colour import Colour
from core.imaging.faces.open import FinderChoice
from core.imaging.original.photo import FileFormat
from core.imaging.original.saving import KeepMetadata, SavedPhoto
from core.recipes.schema import Recipe

OWN = ""
"""The key of the request's own subject among the references."""

FaceSource = Literal["detected", "box", "eyes", "aligned", "whole"]


@dataclass(frozen=True)
class Photo:
    """One uploaded photo, still encoded.

    Attributes:
        label: what the person calls it; shown to them, never logged, never hashed.
        data: the file's bytes.
        aligned: it already is a face crop in FFHQ framing.
        seed: of everything random about this photo; None: the request's. So photos of several requests share a batch.
        faces: what is asked of single faces; None: every face found, alike. Faces that nothing is said of are left
            as they are if any is to be restored, and restored if all that are named are to be kept.
        wanted: of an album's photo: a person insists on it, whatever curation thinks of a face that can be restored.
    """

    label: str
    data: bytes = field(repr=False)
    aligned: bool = False
    seed: int | None = None
    faces: tuple[FaceWish, ...] | None = None
    wanted: bool = False

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
        category: person, cat, dog or other: of a person faces are found and told apart.
        finder: what finds people's faces.
    """

    album: tuple[Photo, ...]
    seed: int = 0
    category: str = "person"
    finder: FinderChoice = field(default_factory=FinderChoice)


@dataclass(frozen=True)
class RestoreRequest:
    """Restore photos, all in one mode (the recipe's).

    Attributes:
        photos: what to restore.
        checkpoint: a subject checkpoint's bytes, for the personal mode.
        album: or the album to tune on first.
        candidates: results wanted for each face, each with other noise.
        seed: of everything random.
        native: faces' pictures in the prior's own resolution instead of the crop's; an aligned photo too.
        checkpoints: by id, for faces that name their own, or are recognised.
        checkpoint_hashes: the sha256 of each, where it is known without reading them.
        references: embeddings of photos of a subject, [N, 128] float64, by checkpoint id, or "" for the subject of
            `checkpoint` or `album`: they tell who is who in group photos. Without them nobody is told apart.
        held_out: those of them that no tuning saw, [M, 128], by the same keys: what results are scored by. Where there
            are none it is all, and the face's notes say so.
        recognise: faces that nobody named are compared with the references, and restored from the checkpoint of whom
            they show, where that is sure.
        personal_recipe: for faces that name a checkpoint where the recipe's mode is not personal.
        category: person, cat, dog or other. Only people's faces are found: of others it is a wish's box, or the whole
            picture.
        colour: whose colours a restored face has, see `core.imaging.colour`.
        file_format: of the result; None: as the photo came.
        keep_metadata: what goes along of EXIF and XMP.
        finder: what finds people's faces.
    """

    photos: tuple[Photo, ...]
    checkpoint: bytes | None = field(default=None, repr=False)
    album: tuple[Photo, ...] = ()
    candidates: int = 1
    seed: int = 0
    native: bool = False
    checkpoints: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    checkpoint_hashes: Mapping[str, str] = field(default_factory=dict, repr=False)
    references: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)
    held_out: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)
    recognise: bool = False
    personal_recipe: Recipe | None = None
    category: str = "person"
    colour: Colour = "preserve"
    file_format: FileFormat | None = None
    keep_metadata: KeepMetadata = "all"
    finder: FinderChoice = field(default_factory=FinderChoice)

    @property
    def known_hashes(self) -> list[str]:
        """Of the references, and of those that are held out: results depend on both."""
        known = [("", self.references), ("held_out:", self.held_out)]
        return [
            f"{kind}{key}:{hashlib.sha256(vectors.tobytes()).hexdigest()}"
            for kind, by_key in known
            for key, vectors in sorted(by_key.items())
        ]

    def checkpoint_sha256(self, checkpoint_id: str) -> str:
        """Of the checkpoint that a face names."""
        known = self.checkpoint_hashes.get(checkpoint_id)
        return known or hashlib.sha256(self.checkpoints[checkpoint_id]).hexdigest()

    def seed_of(self, index: int) -> int:
        """The seed of one of its photos."""
        own = self.photos[index].seed
        return self.seed if own is None else own


@dataclass(frozen=True)
class Candidate:
    """One restored face. Its pictures are read where they are asked for: of many faces memory holds one.

    Attributes:
        scores: name → number, see core.pipeline.quality.
        load: reads its picture of a kind, "image" or "native", from what the stages stored.
    """

    scores: dict[str, float]
    load: Callable[[str], np.ndarray] = field(repr=False)

    @property
    def image(self) -> np.ndarray:
        """What to show, [S, S, 3] uint8."""
        return self.load("image")

    @property
    def native(self) -> np.ndarray:
        """The prior's own output, [R, R, 3] uint8."""
        return self.load("native")


@dataclass(frozen=True, eq=False)
class FaceResult:
    """What became of one face.

    Attributes:
        n: its number in the photo; detected faces come first, the largest is 0.
        quad: [4, 2] float64, the corners of its square in the upright photo: top left, bottom left, bottom right, top
            right; None of an aligned photo.
        outline: [N, 2] float64, the face without a margin; None where there is no quad.
        box: around it; None of an aligned photo.
        eye_distance_pixels: between the eyes, where they are known.
        source: how it was found.
        verdict: what became of it.
        notes: what is worth knowing: small, larger_than_prior, unlike_the_subject, none_held_out,
            looks_clean.
        noise_steps: K; None where it was not to be restored.
        checkpoint_id: of the checkpoint that the face named, or was recognised by.
        proposal: whom it is likest to, where faces are recognised: a checkpoint's id and how sure that is, 0 … 1.
        identity: of the face as it was to the subject's references, where there are some.
        seed: of the grain that is added in the photo.
        cut_out: reads the aligned face as it was; None if there is none.
        candidates: best first: likest to the references, or, without any, to the face as it was. Empty where it was not
            restored.
        selected: the candidate that the photo shows, or "original"; None where there is nothing to choose from.
        error: why it was not restored, where it cannot be.
    """

    n: int
    quad: np.ndarray | None
    outline: np.ndarray | None
    box: Box | None
    eye_distance_pixels: float | None
    source: FaceSource
    verdict: FaceVerdict
    notes: tuple[str, ...] = ()
    noise_steps: int | None = None
    checkpoint_id: str | None = None
    proposal: tuple[str, float] | None = None
    identity: float | None = None
    seed: int = 0
    cut_out: Callable[[], np.ndarray] | None = None
    candidates: tuple[Candidate, ...] = ()
    selected: int | Literal["original"] | None = None
    error: HeirloomError | None = None

    @property
    def crop(self) -> np.ndarray | None:
        """The aligned face as it was, [S, S, 3] uint8, read anew each time; None if there is none."""
        return None if self.cut_out is None else self.cut_out()


@dataclass(frozen=True)
class PhotoResult:
    """What became of one photo.

    Attributes:
        label: the photo's.
        faces: all of its faces, by number; empty where none was found.
        photo: the whole photo with the selected candidates in it, encoded; without a restored face its pixels are as
            they came. None on an error.
        width: the upright photo's, in pixels.
        height: the upright photo's.
        warnings: what a person should know: no face, faces that were left as they were.
        error: why there is no result at all, or None.
    """

    label: str
    faces: tuple[FaceResult, ...] = ()
    photo: SavedPhoto | None = None
    width: int = 0
    height: int = 0
    warnings: tuple[HeirloomError, ...] = ()
    error: HeirloomError | None = None

    @property
    def restored(self) -> bool:
        """Whether the photo shows a restored face."""
        return any(face.verdict is FaceVerdict.RESTORED for face in self.faces)


@dataclass(frozen=True)
class Result:
    """What a run made.

    Attributes:
        photos: one for each requested photo, in their order; none where `on_photo` took them.
        checkpoint: a subject checkpoint's bytes, where one was tuned from an album.
        album: what curation says of the album, where there was one.
        seconds: per stage, measured; only what was really run.
    """

    photos: tuple[PhotoResult, ...] = ()
    checkpoint: bytes | None = field(default=None, repr=False)
    album: CurationReport | None = None
    seconds: dict[str, float] = field(default_factory=dict)
