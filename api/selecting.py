"""From a choice to the new photo: put together in the decode pool, without a GPU, while the caller waits."""

from typing import cast

import numpy as np
from fastapi.responses import Response

from api.call import Call
from api.schemas.restored import RestorationOut
from core.domain.errors import OverloadedError
from core.imaging.intake import decode_photo
from core.imaging.layer_files import layer_files
from core.imaging.recompose import FaceLayer, KeptFace, OutputWish, Recomposed, RestoredFace, recompose
from core.services import selection
from core.services.faces import Choice
from core.services.layers import stored_layer
from core.services.selection import PutTogether, Selection
from core.storage.base import read_blob, write_blob

_MOST_TRIES = 5
"""Each one lost to another selection of the same photo, which came first."""


def selected(call: Call, restoration_id: str, face: int, choice: Choice) -> Response:
    """Let a choice stand, and answer with the restoration.

    Raises:
        NotFoundError, ConflictError, InvalidRequestError: as of `core.services.selection.look`.
        BadInputError: the photo cannot be put together within the limits.
        OverloadedError: no process was free in time, or others chose at the same moment, again and again.
        StorageError: the photo, or a face, cannot be read.
    """
    for _ in range(_MOST_TRIES):
        with call.read() as session:
            wanted = selection.look(session, call.owner_id, restoration_id, face, choice)
        made = _put_together(call, wanted)
        with call.write() as session:
            settled = selection.settle(session, wanted, made)
            if settled is not None:
                return call.answer(session, RestorationOut.of(settled))
    raise OverloadedError("Others chose faces of this photo at the same moment.", "Send the request again.")


def _put_together(call: Call, wanted: Selection) -> PutTogether | None:
    if wanted.original is None:
        return None
    store, pool, limits = call.service.store, call.service.decode_pool, call.service.image_limits
    faces = [
        RestoredFace(
            quad=_points(face.entry.get("quad")),
            outline=_points(face.entry.get("outline")),
            native=cast(np.ndarray, pool.run(decode_photo, read_blob(store, face.native))),
            seed=face.entry["seed"],
        )
        for face in wanted.faces
    ]
    kept = [KeptFace(np.asarray(face["quad"], np.float64), _points(face.get("outline"))) for face in wanted.kept]
    options = wanted.output
    output = OutputWish(options["format"], options["keep_metadata"], options["colour"], options["native"])
    data = read_blob(store, wanted.original)
    made = cast(Recomposed, pool.run(recompose, data, faces, output, limits, kept))
    ref = write_blob(store, call.owner_id, made.saved.data)
    layers = {}
    if options["layers"]:
        for layer in cast(tuple[FaceLayer, ...], pool.run(layer_files, data, faces, output, limits, kept)):
            layers[wanted.faces[layer.face].entry["n"]] = stored_layer(store, call.owner_id, layer)
    return PutTogether(ref, made.saved.media_type, made.width, made.height, layers)


def _points(entry: list[list[float]] | None) -> np.ndarray | None:
    return None if entry is None else np.asarray(entry, dtype=np.float64)
