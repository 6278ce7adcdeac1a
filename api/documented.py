"""What routes declare: every status that they can answer, and bodies that FastAPI cannot read off their signatures."""

from typing import Any

from pydantic import BaseModel

from api.multipart import FILE_FIELD
from api.schemas.problem import Problem

Responses = dict[int | str, dict[str, Any]]
_PROBLEM = {"model": Problem, "content": {"application/problem+json": {}}}
_WORDS = {
    400: "The body is malformed",
    401: "No key, or not one of ours",
    403: "The key does not cover this, or the Host or Origin is refused",
    404: "No such thing, or somebody else's",
    408: "The body did not come in within its time",
    409: "Things are not as this request needs them",
    413: "The body is too large",
    415: "Not a kind of body that is taken here",
    422: "Not as documented, or it cannot be done",
    429: "Too many requests within a minute, or as much is queued, running or computed as may be",
    503: "Not at this moment",
    507: "Too little disk space",
}
_RETRY = {"headers": {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}}
ALWAYS = (401, 403, 422, 429, 503)
IDENTIFIED = (404,)
POSTED = (408, 409, 413)
JSON_BODY = (400, 408, 413, 415)
FORM_BODY = (400, 408, 413, 415, 507)
QUEUED = (404, 408, 409, 413)


def problems(*statuses: int) -> Responses:
    """What may go wrong, beside what always may."""
    found: Responses = {}
    for status in sorted({*ALWAYS, *statuses}):
        found[status] = {"description": _WORDS[status], **_PROBLEM, **(_RETRY if status in (429, 503) else {})}
    return found


def made(model: type[BaseModel], what: str) -> Responses:
    """201, and where it is."""
    location = {"Location": {"description": "Where it is.", "schema": {"type": "string"}}}
    return {201: {"model": model, "description": what, "headers": location}}


def accepted(model: type[BaseModel], result: type[BaseModel]) -> Responses:
    """202 with a job, or 200 with what it gave."""
    location = {"Location": {"description": "The job.", "schema": {"type": "string"}}}
    return {
        200: {"model": result, "description": "It has ended", "headers": location},
        202: {"model": model, "description": "In the queue", "headers": location | _RETRY["headers"]},
    }


def bytes_of(*media_types: str) -> Responses:
    """A file, or 304 where the caller has it."""
    tag = {"ETag": {"description": "The content's sha256.", "schema": {"type": "string"}}}
    content = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in media_types}
    return {
        200: {"description": "The content, as an attachment", "content": content, "headers": tag},
        304: {"description": "The caller has it", "headers": tag},
    }


def picture(media_type: str) -> Responses:
    """A small picture that is made here."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {200: {"description": "The picture", "content": content}}


def form_or_json(
    form: type[BaseModel], body: type[BaseModel] | None = None, *, several: bool = False
) -> dict[str, Any]:
    """A body that is a form with a file, or JSON as well.

    Args:
        form: the fields beside the file.
        body: the JSON's model; None where there is only the form.
        several: more files than one may be sent.
    """
    schema = form.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    file: dict[str, Any] = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
    if several:
        file = {"type": "array", "items": file, "minItems": 1}
    properties = {FILE_FIELD: file, **schema.get("properties", {})}
    shape = {"type": "object", "properties": properties, "required": [FILE_FIELD], "additionalProperties": False}
    content: dict[str, Any] = {"multipart/form-data": {"schema": shape}}
    if body is not None:
        content["application/json"] = {"schema": {"$ref": f"#/components/schemas/{body.__name__}"}}
    return {"requestBody": {"required": True, "content": content}}


IF_NONE_MATCH = {
    "parameters": [
        {
            "name": "If-None-Match",
            "in": "header",
            "required": False,
            "description": "The ETag that the caller has.",
            "schema": {"type": "string"},
        }
    ]
}
PREFER = {
    "parameters": [
        {
            "name": "Prefer",
            "in": "header",
            "required": False,
            "description": "`wait=N`: answer 200 with the result if the job ends within N seconds.",
            "schema": {"type": "string"},
        }
    ]
}
