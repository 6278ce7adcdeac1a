"""The OpenAPI document: what FastAPI reads off the routes, and what holds for all of them."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from api.schemas.album import AlbumIn
from api.schemas.event import EventOut
from api.schemas.restoration import RestorationIn

_REF = "#/components/schemas/{model}"
_DESCRIPTION = """Restore people's photos by generation, constrained by their own album.

Register an album once, tune a checkpoint on it, restore photo after photo. Long work is a job: `202` with its
`Location`; poll it, listen to its events, or send `Prefer: wait=N`. Errors are
problems (RFC 9457) with a stable `code`."""
_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Repeat a request safely: kept for 24 hours. The same body gets the stored answer, another one 422.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"},
}
_RATE_HEADERS = {
    "RateLimit-Policy": {
        "description": "On every answer where keys are needed: so many requests (`q`) within `w` seconds.",
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": "How many are left (`r`), and in how many seconds all are there again (`t`).",
        "schema": {"type": "string"},
    },
}
_OPEN = ("/livez", "/readyz")


def describe(app: FastAPI) -> dict[str, Any]:
    """The whole document; made once."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title="Heirloom", version=app.version, description=_DESCRIPTION, routes=app.routes, license_info=_LICENCE
        )
        components = schema.setdefault("components", {})
        _, more = models_json_schema(_UNDECLARED, ref_template=_REF)
        components.setdefault("schemas", {}).update(more.get("$defs", {}))
        for unused in ("HTTPValidationError", "ValidationError"):
            components["schemas"].pop(unused, None)
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "description": "hl_<id>_<secret>"}}
        components["headers"] = _RATE_HEADERS
        for path, operations in schema["paths"].items():
            for method, operation in operations.items():
                _complete(path, method, operation)
        app.openapi_schema = schema
    return app.openapi_schema


_UNDECLARED: list[tuple[type[BaseModel], JsonSchemaMode]] = [
    (AlbumIn, "validation"),
    (RestorationIn, "validation"),
    (EventOut, "serialization"),
]
"""Models that routes refer to by name alone."""
_LICENCE = {"name": "Apache-2.0", "identifier": "Apache-2.0"}


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    # An embedded service asks for no key: the empty requirement says so.
    operation["security"] = [] if path in _OPEN else [{"key": []}, {}]
    if method == "post":
        operation.setdefault("parameters", []).append(_IDEMPOTENCY)
    for status, response in operation["responses"].items():
        headers = response.setdefault("headers", {})
        headers["X-Request-Id"] = {"schema": {"type": "string"}}
        if operation["security"] and (int(status) < 300 or int(status) == 429):
            headers |= {header: {"$ref": f"#/components/headers/{header}"} for header in _RATE_HEADERS}
        if int(status) >= 400:
            # FastAPI lists a model's schema under application/json too; problems have a media type of their own.
            content = response.get("content", {})
            schema = content.pop("application/json", {}).get("schema")
            response["content"] = {"application/problem+json": {"schema": schema}}
