"""What every error looks like: RFC 9457."""

from pydantic import BaseModel, ConfigDict, Field


class Cause(BaseModel):
    """One thing that is wrong with what was sent."""

    pointer: str = Field(description="JSON pointer into the body; empty for a parameter or the whole.")
    detail: str


class Problem(BaseModel):
    """An error: what happened, and what to do next."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    type: str = Field(description="`urn:heirloom:problem:` and the code.")
    title: str
    status: int
    detail: str
    instance: str = Field(description="The path of the request.")
    code: str = Field(description="Stable: programs decide by it.")
    advice: str = Field(description="What to do next; may be empty.")
    request_id: str = Field(description="Also in the header X-Request-Id, and on every line of the server's log.")
    retryable: bool = Field(description="Whether the same request may succeed later without a change.")
    errors: list[Cause]


class JobProblem(BaseModel):
    """Why a job, or one face of a photo, came to nothing: the members of a problem that do not depend on a request."""

    type: str
    title: str
    code: str
    detail: str
    advice: str
    retryable: bool
