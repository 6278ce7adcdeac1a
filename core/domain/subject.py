"""The person, or animal, whose album constrains a prior."""

from enum import StrEnum

MIN_ALBUM_PHOTOS = 3
"""Fewer anchors constrain nothing but their own pose and light; the paper uses about twenty."""


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


class CheckpointStatus(StrEnum):
    """Whether a checkpoint can be used."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"
