"""The person, or animal, whose album constrains a prior."""

from enum import StrEnum

MIN_ALBUM_PHOTOS = 3
"""Fewer anchors constrain nothing but their own pose and light; the paper uses about twenty."""


MOST_HELD_OUT = 8
"""Of an album's photos, so many at most are kept from tuning to score it."""


class Category(StrEnum):
    """What a subject is; faces of animals are not found by themselves yet."""

    PERSON = "person"
    CAT = "cat"
    DOG = "dog"
    OTHER = "other"

    @property
    def needs_consent(self) -> bool:
        """Whether an album of it is biometric data of somebody who has to agree."""
        return self is Category.PERSON


class PhotoStatus(StrEnum):
    """What became of an album photo."""

    PENDING = "pending"
    KEPT = "kept"
    LEFT_OUT = "left_out"


EXCLUDED = "excluded"
"""The code of a photo that its owner left out."""

FINAL_CODES = frozenset(
    {EXCLUDED, "unsupported_format", "image_unreadable", "image_too_large", "no_face_detected", "bad_input"}
)
"""Why a photo was left out for its own sake. With other codes it may be kept next time, beside other photos: one that
was somebody else's in an album of two people is the person's once those of the other are taken out."""


class CheckpointStatus(StrEnum):
    """Whether a checkpoint can be used."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"
