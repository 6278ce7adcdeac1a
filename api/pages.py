"""Long lists in pages: newest first, from a cursor that is nobody's business."""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query, Request
from pydantic import BaseModel

from core.domain.errors import InvalidRequestError
from core.domain.ids import ID_PATTERN_TAIL

MOST = 100
_USUAL = 20
_ID = re.compile(rf"[a-z]{{3}}_{ID_PATTERN_TAIL}")
_Row = TypeVar("_Row")
_Page = TypeVar("_Page", bound=BaseModel)


class PageRequest:
    """Which page is wanted.

    Attributes:
        limit: entries on it.
        before_id: they are older than this one.
    """

    def __init__(
        self,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=MOST, description="Entries on a page.")] = _USUAL,
        cursor: Annotated[str | None, Query(max_length=128, description="`next_cursor` of the page before.")] = None,
    ) -> None:
        """Read the query."""
        self._request = request
        self.limit = limit
        self.before_id = None if cursor is None else _id_of(cursor)

    @property
    def one_more(self) -> int:
        """How many to ask for, to know whether there is a next page."""
        return self.limit + 1

    def of(
        self, rows: Sequence[_Row], id_of: Callable[[_Row], str], page: type[_Page], entry: Callable[[_Row], Any]
    ) -> tuple[_Page, dict[str, str]]:
        """A page and its headers.

        Args:
            rows: `one_more` at most.
            id_of: a row's id.
            page: the schema: {data, next_cursor}.
            entry: a row's schema.
        """
        more = len(rows) > self.limit
        rows = rows[: self.limit]
        cursor = _cursor_of(id_of(rows[-1])) if more else None
        headers = {}
        if cursor is not None:
            # A reference without scheme and host: behind a proxy we do not know what we are called outside.
            url = self._request.url.include_query_params(cursor=cursor)
            headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
        return page.model_validate({"data": [entry(row) for row in rows], "next_cursor": cursor}), headers


Page = Annotated[PageRequest, Depends()]


def _cursor_of(last_id: str) -> str:
    return base64.urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


def _id_of(cursor: str) -> str:
    try:
        last_id = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        last_id = ""
    if not _ID.fullmatch(last_id):
        raise InvalidRequestError("The cursor is not one of ours.", "Use next_cursor of the page before, or none.")
    return last_id
