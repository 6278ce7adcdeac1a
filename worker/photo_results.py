"""A restored photo as it is kept: its bytes in the blob store, and the rows that name them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from core.db.tables import CandidateRow, Job, Restoration
from core.domain.face import LEFT_ALONE, FaceVerdict
from core.imaging.intake import encode
from core.imaging.opening import Limits
from core.imaging.recompose import KeptFace, OutputWish, RestoredFace, layers
from core.pipeline.request import Candidate, FaceResult, PhotoResult
from core.services.layers import StoredLayer
from core.services.problems import as_problem
from core.storage.base import BlobRef

Keep = Callable[[bytes], BlobRef]
"""Stores bytes; durable when it returns."""
PictureFormat = Literal["png", "jpeg", "webp"]
_USED = (FaceVerdict.RESTORED, FaceVerdict.KEEP_ORIGINAL)


@dataclass(frozen=True)
class KeptPhoto:
    """What of a photo is stored.

    Attributes:
        image: the whole photo; None where no face of it was restored.
        media_type: its own.
        width: of the upright photo.
        height: of the upright photo.
        faces: as they stand in the restoration's row.
        candidates: without the restoration that they belong to.
        refs: every blob of it.
        subjects: by checkpoint id, whose checkpoints were used.
    """

    image: BlobRef | None
    media_type: str | None
    width: int
    height: int
    faces: list[dict[str, Any]]
    candidates: list[dict[str, Any]]
    refs: tuple[BlobRef, ...]
    subjects: Mapping[str, str]

    @property
    def proposed(self) -> frozenset[str]:
        """Subjects whom some face may show."""
        return frozenset(entry["proposal"]["subject_id"] for entry in self.faces if entry["proposal"] is not None)

    def write_to(self, row: Restoration) -> list[CandidateRow]:
        """Set a restoration's columns; its candidates are the caller's to add."""
        row.faces = self.faces
        row.image_sha256 = self.image.sha256 if self.image else None
        row.image_size_bytes = self.image.size_bytes if self.image else None
        row.image_media_type = self.media_type
        row.width, row.height = self.width, self.height
        return [CandidateRow(restoration_id=row.id, owner_id=row.owner_id, **columns) for columns in self.candidates]


def keep_photo(
    result: PhotoResult, photo: bytes, job: Job, subjects: Mapping[str, str], keep: Keep, limits: Limits
) -> KeptPhoto:
    """Store what became of a photo.

    A photo of which no face was restored is not stored again: nobody is given their own photo as a result.

    Args:
        result: without an error.
        photo: as it was sent; it is looked at where layers are wanted.
        job: whose options say how.
        subjects: by checkpoint id, whose it is; of all that could be used.
        keep: stores.
        limits: on what is decoded.
    """
    layered = _keep_layers(result, photo, job, keep, limits) if job.options.get("layers") else {}
    refs: list[BlobRef] = [ref for layer in layered.values() for ref in layer.refs()]

    def kept(data: bytes) -> BlobRef:
        refs.append(keep(data))
        return refs[-1]

    restored = any(face.candidates for face in result.faces)
    picture_format = _picture_format(job.options.get("format"))
    faces, candidates = [], []
    for face in result.faces:
        crop = None if face.cut_out is None else kept(encode(face.cut_out()))
        layer = layered.get(face.n)
        faces.append(_entry(face, job, subjects, crop) | {"layers": None if layer is None else layer.as_json()})
        for number, candidate in enumerate(face.candidates):
            candidates.append(_candidate(face.n, number, candidate, picture_format, kept))
    used = {entry["checkpoint_id"] for entry in faces} - {None}
    saved = result.photo if restored else None
    return KeptPhoto(
        image=None if saved is None else kept(saved.data),
        media_type=None if saved is None else saved.media_type,
        width=result.width,
        height=result.height,
        faces=faces,
        candidates=candidates,
        refs=tuple(refs),
        subjects={checkpoint_id: subjects[checkpoint_id] for checkpoint_id in sorted(used)},
    )


def metrics_of(result: PhotoResult) -> dict[str, Any]:
    """What a job says of its photo in numbers: the best candidates of its restored faces, and their means."""
    best = {face.n: face.candidates[0].scores for face in result.faces if face.candidates}
    if not best:
        return {"scores": {}}

    def mean(name: str) -> float | None:
        found = [scores[name] for scores in best.values() if name in scores]
        return round(float(np.mean(found)), 5) if found else None

    return {
        "scores": best[min(best)],
        "faces_restored": sum(face.verdict is FaceVerdict.RESTORED for face in result.faces),
        "identity": {"before": mean("identity_before"), "after": mean("identity_after")},
        "quality": {
            name: {"before": mean(f"{name}_before"), "after": mean(f"{name}_after")}
            for name in ("sharpness", "residual")
        },
    }


def _picture_format(wanted: str | None) -> PictureFormat:
    """Of a face's own picture: as the photo's where that shows in every browser, else without a loss."""
    return wanted if wanted in ("jpeg", "webp") else "png"  # type: ignore[return-value]  # mypy does not narrow by a tuple


def _candidate(
    face: int, number: int, candidate: Candidate, picture_format: PictureFormat, keep: Keep
) -> dict[str, Any]:
    picture = candidate.image
    image, native = keep(encode(picture, picture_format)), keep(encode(candidate.native))
    height, width = picture.shape[:2]
    return {
        "face": face,
        "number": number,
        "blob_sha256": image.sha256,
        "size_bytes": image.size_bytes,
        "media_type": f"image/{picture_format}",
        "width": width,
        "height": height,
        "scores": candidate.scores,
        "native_sha256": native.sha256,
        "native_size_bytes": native.size_bytes,
    }


def _entry(face: FaceResult, job: Job, subjects: Mapping[str, str], crop: BlobRef | None) -> dict[str, Any]:
    checkpoint_id = (face.checkpoint_id or job.checkpoint_id) if face.verdict in _USED else None
    proposal = None
    if face.proposal is not None and face.proposal[0] in subjects:
        proposal = {"subject_id": subjects[face.proposal[0]], "sureness": round(face.proposal[1], 3)}
    return {
        "n": face.n,
        "quad": _listed(face.quad),
        "outline": _listed(face.outline),
        "box": None if face.box is None else [float(side) for side in face.box],
        "eye_distance_pixels": None if face.eye_distance_pixels is None else round(float(face.eye_distance_pixels), 2),
        "source": face.source,
        "verdict": str(face.verdict),
        "notes": list(face.notes),
        "noise_steps": face.noise_steps,
        "subject_id": None if checkpoint_id is None else subjects.get(checkpoint_id),
        "checkpoint_id": checkpoint_id,
        "identity": face.identity,
        "proposal": proposal,
        "seed": face.seed,
        "selected": face.selected,
        "crop_sha256": crop.sha256 if crop else None,
        "crop_size_bytes": crop.size_bytes if crop else None,
        "error": None if face.error is None else as_problem(face.error),
    }


def _listed(points: np.ndarray | None) -> list[list[float]] | None:
    return None if points is None else [[float(x), float(y)] for x, y in points]


def _keep_layers(result: PhotoResult, photo: bytes, job: Job, keep: Keep, limits: Limits) -> dict[int, StoredLayer]:
    """The layers of the faces that the photo shows restored, by number."""
    shown = [face for face in result.faces if isinstance(face.selected, int)]
    faces = [
        RestoredFace(face.quad, face.outline, face.candidates[int(face.selected or 0)].native, face.seed)
        for face in shown
    ]
    kept = [
        KeptFace(face.quad, face.outline)
        for face in result.faces
        if face.verdict in LEFT_ALONE and face.quad is not None
    ]
    options = job.options
    wish = OutputWish(options.get("format"), options["keep_metadata"], options["colour"], bool(options["native"]))
    return {
        shown[layer.face].n: StoredLayer(layer.left, layer.top, keep(layer.crop), keep(layer.mask), keep(layer.result))
        for layer in layers(photo, faces, wish, limits, kept)
    }
