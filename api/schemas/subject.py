"""Subjects."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from api.schemas.members import Answered, Instant, Label, Moment, Sent
from core.db.tables import Subject
from core.domain.subject import Category
from core.services.subjects import STATEMENT, Consent, Receipt


class ConsentIn(Sent):
    """Who agreed that a person's album is kept."""

    given_by: Label
    given_at: Annotated[Moment | None, Field(description="Left out: now.")] = None
    statement: Annotated[Label, Field(description="To what.")] = STATEMENT

    def as_consent(self) -> Consent:
        """For the use case."""
        return Consent(self.given_by, self.given_at, self.statement)


class SubjectIn(Sent):
    """A new subject."""

    name: Label
    category: Category
    consent: Annotated[ConsentIn | None, Field(description="Needed for a person.")] = None

    def consented(self) -> Consent | None:
        """For the use case."""
        return self.consent.as_consent() if self.consent is not None else None


class SubjectChange(Sent):
    """What is to change; at least one."""

    name: Label | None = None
    category: Category | None = None
    consent: ConsentIn | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("nothing is to change")
        return self

    def consented(self) -> Consent | None:
        """For the use case."""
        return self.consent.as_consent() if self.consent is not None else None


class ConsentOut(Answered):
    """Who agreed, when, to what."""

    given_by: str
    given_at: Instant
    statement: str


class SubjectLinks(Answered):
    """Where to go on."""

    self: str
    album: str
    checkpoints: str


class SubjectOut(Answered):
    """A person, or an animal, with an album."""

    id: str
    name: str
    category: Category
    consent: ConsentOut | None
    default_checkpoint_id: str | None = Field(description="What restorations use; set by the album's job.")
    created_at: Instant
    updated_at: Instant
    links: SubjectLinks

    @classmethod
    def of(cls, subject: Subject) -> Self:
        """A row as it is shown."""
        path = f"/v1/subjects/{subject.id}"
        return cls(
            id=subject.id,
            name=subject.name,
            category=Category(subject.category),
            consent=ConsentOut.model_validate(subject.consent) if subject.consent is not None else None,
            default_checkpoint_id=subject.default_checkpoint_id,
            created_at=subject.created_at,
            updated_at=subject.updated_at,
            links=SubjectLinks(self=path, album=f"{path}/album", checkpoints=f"{path}/checkpoints"),
        )


class SubjectPage(Answered):
    """Subjects, newest first."""

    data: list[SubjectOut]
    next_cursor: str | None


class RemovedOut(Answered):
    """How much was removed."""

    album_photos: int
    checkpoints: int
    restorations: int
    files: int = Field(description="Photos that came along with the restorations.")
    jobs_cancelled: int


class ReceiptOut(Answered):
    """What was removed with a subject; bytes that nothing names any more are swept within a day."""

    subject_id: str
    deleted_at: Instant
    removed: RemovedOut
    files_left: list[str] = Field(
        description="Uploads of yours that the album or the restorations were made from. They stay until you delete "
        "them, or they expire."
    )

    @classmethod
    def of(cls, receipt: Receipt) -> Self:
        """A receipt as it is shown."""
        return cls(
            subject_id=receipt.subject_id,
            deleted_at=receipt.deleted_at,
            removed=RemovedOut(
                album_photos=receipt.album_photos,
                checkpoints=receipt.checkpoints,
                restorations=receipt.restorations,
                files=receipt.files,
                jobs_cancelled=receipt.jobs_cancelled,
            ),
            files_left=list(receipt.files_left),
        )
