"""Events of a job, as they are streamed."""

from typing import Annotated

from pydantic import BaseModel, Field


class EventOut(BaseModel):
    """One server-sent event. Those of the timeline carry an id; `progress` carries none."""

    id: Annotated[str, Field(description="For Last-Event-ID.")] = ""
    event: Annotated[
        str, Field(description="created, claimed, stage, album_report, progress, … and at the end the job's status.")
    ]
    data: Annotated[str, Field(description="JSON.", json_schema_extra={"contentMediaType": "application/json"})]
