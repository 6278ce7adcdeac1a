"""What is said of an album that was looked through: of every photo, of the person, and of the album as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.domain.errors import AlbumMixedIdentityError, AlbumTooSmallError


@dataclass(frozen=True)
class Advice:
    """One thing to do.

    Attributes:
        code: stable, snake_case.
        text: a sentence for the person whose album it is.
    """

    code: str
    text: str


@dataclass(frozen=True)
class Coverage:
    """How many of the kept photos show what; kinds that none shows are absent.

    Attributes:
        views: front, left, right, left_profile, right_profile: where the face looks, in the picture.
        tilts: level, up, down.
        lights: even, dark, bright, from_the_left, from_the_right.
        expressions: closed, smiling, open: the mouth.
    """

    views: Mapping[str, int] = field(default_factory=dict)
    tilts: Mapping[str, int] = field(default_factory=dict)
    lights: Mapping[str, int] = field(default_factory=dict)
    expressions: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, dict[str, int]]:
        """Each with its kinds in alphabetical order."""
        return {name: dict(sorted(getattr(self, name).items())) for name in ("views", "tilts", "lights", "expressions")}


@dataclass(frozen=True)
class PhotoVerdict:
    """Whether a photo was kept, and why not.

    Attributes:
        label: the photo's.
        kept: used for tuning, or for scoring it.
        code: why not: an error's code (`image_unreadable`, `no_face_detected`, `face_too_small` …), or `other_person`,
            `person_unsure`, `blurred`, `duplicate`; empty if kept.
        reason: the same for people; where a kept photo needs a word, that word.
        face: which of the candidate's faces is the person's; None if none is.
        sureness: that it is the person: 1 as near as their usual photo, 0 as far as somebody else; None without a face,
            and where an album is not of a person.
        clear_pixels: how many pixels of detail the face shows; None without a face.
        duplicate_of: label of the sharper photo of the same moment; empty if none.
        held_out: kept from tuning, to score it.
        view, tilt, light, expression: in one word each; empty without a person's face.
        thumbnail: JPEG, at most 128 pixels: the person's face, else the whole photo; empty if it was not opened.
        embedding: of the person's face, 128 float32, little-endian: biometric, to be deleted with the album; empty
            where none is chosen.
    """

    label: str
    kept: bool
    code: str = ""
    reason: str = ""
    face: int | None = None
    sureness: float | None = None
    clear_pixels: float | None = None
    duplicate_of: str = ""
    held_out: bool = False
    view: str = ""
    tilt: str = ""
    light: str = ""
    expression: str = ""
    thumbnail: bytes = field(default=b"", repr=False)
    embedding: bytes = field(default=b"", repr=False)

    def as_json(self) -> dict[str, Any]:
        """For `--json`, without the bytes."""
        return {
            "label": self.label,
            "kept": self.kept,
            "code": self.code,
            "reason": self.reason,
            "sureness": None if self.sureness is None else round(self.sureness, 2),
            "clear_pixels": None if self.clear_pixels is None else round(self.clear_pixels),
            "duplicate_of": self.duplicate_of,
            "held_out": self.held_out,
            "view": self.view,
            "tilt": self.tilt,
            "light": self.light,
            "expression": self.expression,
        }


@dataclass(frozen=True)
class CurationReport:
    """The album, looked through.

    Attributes:
        photos: one verdict for each candidate, in their order.
        sureness: how clear it is whose album this is: 1 where every photo shows the person, 0 in doubt.
        coverage: which views, lights and expressions the kept photos show.
        advice: what would make the album better, the most useful first.
        refusal: why nothing can be tuned on it; None where it can.
    """

    photos: tuple[PhotoVerdict, ...]
    sureness: float
    coverage: Coverage
    advice: tuple[Advice, ...]
    refusal: AlbumTooSmallError | AlbumMixedIdentityError | None = None

    @property
    def kept(self) -> tuple[int, ...]:
        """Places of all kept photos."""
        return tuple(place for place, photo in enumerate(self.photos) if photo.kept)

    @property
    def anchors(self) -> tuple[int, ...]:
        """Places of the photos to tune on."""
        return tuple(place for place in self.kept if not self.photos[place].held_out)

    @property
    def held_out(self) -> tuple[int, ...]:
        """Places of the photos that score a tuning and are not tuned on."""
        return tuple(place for place in self.kept if self.photos[place].held_out)

    def require_usable(self) -> None:
        """Stop where nothing can be tuned on the album.

        Raises:
            AlbumMixedIdentityError: it is nobody's album.
            AlbumTooSmallError: too few photos were kept.
        """
        if self.refusal is not None:
            raise self.refusal

    def summary(self) -> dict[str, Any]:
        """What is said of the album as a whole, as plain values."""
        return {
            "sureness": round(self.sureness, 2),
            "coverage": self.coverage.as_json(),
            "advice": [{"code": entry.code, "text": entry.text} for entry in self.advice],
        }

    def as_json(self) -> dict[str, Any]:
        """For `--json`; the thumbnails are fetched by themselves."""
        return {"photos": [photo.as_json() for photo in self.photos]} | self.summary()
