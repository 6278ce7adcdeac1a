"""The layers of one face in the blob store: crop, mask and result, for somebody who finishes the photo by hand."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from core.imaging.recompose import FaceLayer
from core.storage.base import BlobRef, BlobStore, write_blob

LayerName = Literal["crop", "mask", "result"]


@dataclass(frozen=True)
class StoredLayer:
    """What was stored of one face, as PNG.

    Attributes:
        left: first column of mask and result in the upright photo.
        top: first row.
        crop: the photo's own square.
        mask: 0 is untouched.
        result: the restoration in the photo's frame.
    """

    left: int
    top: int
    crop: BlobRef
    mask: BlobRef
    result: BlobRef

    def refs(self) -> Iterator[BlobRef]:
        """All of its blobs."""
        yield from (self.crop, self.mask, self.result)

    def as_json(self) -> dict[str, Any]:
        """As it stands in a face's entry."""
        named = {"crop": self.crop, "mask": self.mask, "result": self.result}
        pictures = {name: {"sha256": ref.sha256, "size_bytes": ref.size_bytes} for name, ref in named.items()}
        return {"left": self.left, "top": self.top, "pictures": pictures}


def stored_layer(store: BlobStore, owner_id: str, layer: FaceLayer) -> StoredLayer:
    """Store a layer's pictures; errors as for `BlobWriter.finish`."""
    crop, mask, result = (write_blob(store, owner_id, data) for data in (layer.crop, layer.mask, layer.result))
    return StoredLayer(layer.left, layer.top, crop, mask, result)


def picture_of(entry: dict[str, Any], owner_id: str, name: LayerName) -> BlobRef | None:
    """Where a layer's picture is, by a face's entry; None where none was kept."""
    stored = entry.get("layers")
    if not stored:
        return None
    picture = stored["pictures"][name]
    return BlobRef(owner_id, picture["sha256"], picture["size_bytes"])
