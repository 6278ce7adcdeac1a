"""An error as it is stored with a job or a face, and told over the API: the same members everywhere."""

from typing import Any

from core.domain.errors import HeirloomError


def as_problem(error: HeirloomError) -> dict[str, Any]:
    """The members of a problem that do not depend on HTTP."""
    return {"code": error.code, "detail": error.message, "advice": error.advice, "retryable": error.retryable}


def title_of(code: str) -> str:
    """A code in words: short, the same for every occurrence."""
    return code.replace("_", " ").capitalize()


def type_of(code: str) -> str:
    """A code as the URI that RFC 9457 wants for a kind of problem."""
    return f"urn:heirloom:problem:{code}"
