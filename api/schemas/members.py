"""What schemas share: strict members, ids as they look, moments in UTC."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

from core.domain.ids import ID_PATTERN_TAIL


def _written(value: object) -> object:
    if not isinstance(value, str | datetime):
        # Not a TypeError: only a ValueError becomes part of the answer.
        raise ValueError("a moment is written as RFC 3339 says, e.g. 2026-11-24T12:00:00Z")  # noqa: TRY004  # a wrong value
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC this moment is not within the years 1 to 9999") from None


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


Instant = Annotated[
    datetime,
    PlainSerializer(_shown, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
"""RFC 3339, in UTC."""
Moment = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_utc)]
"""RFC 3339 with a zone, kept in UTC; a number is no moment here."""
Label = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", strip_whitespace=True)
]
FileId = Annotated[str, StringConstraints(pattern=rf"^fil_{ID_PATTERN_TAIL}$")]
SubjectId = Annotated[str, StringConstraints(pattern=rf"^sub_{ID_PATTERN_TAIL}$")]
CheckpointId = Annotated[str, StringConstraints(pattern=rf"^ckp_{ID_PATTERN_TAIL}$")]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**53, description="Of everything random; the same seed, the same.")]
PLAIN: dict[str, JsonValue] = {"x-form": "json"}
"""Marks a field of a form that is a number or a truth value: a form knows only text."""


class Sent(BaseModel):
    """What callers send: unknown members are refused, not passed over."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Answered(BaseModel):
    """What callers get: every member is always there."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)
