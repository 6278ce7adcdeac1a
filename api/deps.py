"""What routes ask for by name."""

import re
from typing import Annotated

from fastapi import Depends, Path, Request
from pydantic import AfterValidator

from api.call import Call
from core.domain.errors import NotFoundError
from core.domain.ids import ID_PATTERN_TAIL

_ID = re.compile(rf"[a-z]{{3}}_{ID_PATTERN_TAIL}")


async def _call(request: Request) -> Call:
    call: Call = request.state.call
    return call


def _possible(value: str) -> str:
    """What cannot be an id of ours names nothing: no database has to be asked."""
    if not _ID.fullmatch(value):
        raise NotFoundError("There is no such thing.", "An id looks like sub_01k8….")
    return value


CallDep = Annotated[Call, Depends(_call)]
"""The request on its way: caller, transactions, answers. It was put there by `api.routing`."""
Id = Annotated[str, Path(), AfterValidator(_possible)]
