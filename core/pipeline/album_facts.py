"""What looking at an album hands on: each photo's measures and crops, and the report on all of them, as artifacts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.domain.curation import Advice, Coverage, CurationReport, PhotoVerdict
from core.imaging.curate import AlbumCandidate, FaceFacts, PhotoFacts, describe
from core.imaging.curate.appearance import Expression, Light
from core.imaging.curate.pose import Pose
from core.imaging.resize import resize
from core.pipeline.artifacts import pack, unpack

_POSE, _LIGHT, _EXPRESSION = (
    ("yaw", "pitch", "roll"),
    ("level", "side", "warmth"),
    ("mouth_open", "mouth_width", "eyes_open"),
)


def pack_photo(candidate: AlbumCandidate, resolution: int, person: bool) -> bytes:
    """Measure a photo and keep, of its pixels, each face at the prior's resolution.

    Args:
        candidate: the photo, cut out.
        resolution: the prior's, in pixels.
        person: see `core.imaging.curate.describe`.
    """
    facts = describe(candidate, person)
    crops = [resize(face.crop, resolution) for face in candidate.faces]
    thumbnails = [facts.thumbnail, *(face.thumbnail for face in facts.faces)]
    arrays: dict[str, np.ndarray] = {
        "crops": np.array(crops, dtype=np.uint8).reshape(-1, resolution, resolution, 3),
        "vectors": np.array([face.vector for face in facts.faces], dtype=np.float64).reshape(-1, 128),
        "bits": np.array([face.bits for face in facts.faces], dtype=np.uint8),
        "mirrored_bits": np.array([face.mirrored_bits for face in facts.faces], dtype=np.uint8),
        "thumbnails": _joined(thumbnails),
    }
    return pack(arrays, {"faces": [_numbers(face) for face in facts.faces], "thumbnails": _lengths(thumbnails)})


def unpack_photo(data: bytes, label: str, wanted: bool) -> PhotoFacts:
    """A photo's measures.

    Args:
        data: from `pack_photo`.
        label: the photo's: not in the artifact, since the same bytes may have another name.
        wanted: a person insists on it.
    """
    arrays, values = unpack(data)
    whole, *of_faces = _apart(arrays["thumbnails"], values["thumbnails"])
    faces = tuple(
        FaceFacts(
            vector=arrays["vectors"][number],
            bits=arrays["bits"][number].astype(bool),
            mirrored_bits=arrays["mirrored_bits"][number].astype(bool),
            side_pixels=numbers["side_pixels"],
            clear_pixels=numbers["clear_pixels"],
            restorable=numbers["restorable"],
            pose=Pose(*numbers["pose"]),
            light=Light(*numbers["light"]),
            expression=Expression(*numbers["expression"]),
            thumbnail=of_faces[number],
        )
        for number, numbers in enumerate(values["faces"])
    )
    return PhotoFacts(label, faces, thumbnail=whole, wanted=wanted)


def crop_of(data: bytes, face: int) -> np.ndarray:
    """One of a photo's faces at the prior's resolution, [R, R, 3] uint8."""
    return np.asarray(unpack(data)[0]["crops"][face])


def pack_album(report: CurationReport, anchors: Sequence[np.ndarray], held_out: Sequence[np.ndarray]) -> bytes:
    """What curation decided.

    Args:
        report: on the album; nothing refused.
        anchors: crops to tune on, each [R, R, 3] uint8; at least one.
        held_out: crops that score the tuning.
    """
    thumbnails, embeddings = ([getattr(photo, name) for photo in report.photos] for name in ("thumbnail", "embedding"))
    arrays = {
        "anchors": np.stack(list(anchors)),
        "held_out": np.array(list(held_out), dtype=np.uint8).reshape(-1, *anchors[0].shape),
        "thumbnails": _joined(thumbnails),
        "embeddings": _joined(embeddings),
    }
    photos = [
        {name: value for name, value in vars(photo).items() if not isinstance(value, bytes)} for photo in report.photos
    ]
    lengths = {"thumbnails": _lengths(thumbnails), "embeddings": _lengths(embeddings)}
    return pack(arrays, {"photos": photos, "sureness": report.sureness, **lengths, "summary": report.summary()})


def unpack_report(data: bytes) -> CurationReport:
    """The report in what `pack_album` made."""
    arrays, values = unpack(data)
    thumbnails = _apart(arrays["thumbnails"], values["thumbnails"])
    embeddings = _apart(arrays["embeddings"], values["embeddings"])
    photos = tuple(
        PhotoVerdict(**photo, thumbnail=thumbnail, embedding=embedding)
        for photo, thumbnail, embedding in zip(values["photos"], thumbnails, embeddings, strict=True)
    )
    summary = values["summary"]
    advice = tuple(Advice(**entry) for entry in summary["advice"])
    return CurationReport(photos, values["sureness"], Coverage(**summary["coverage"]), advice)


def _numbers(face: FaceFacts) -> dict[str, Any]:
    return {
        "side_pixels": face.side_pixels,
        "clear_pixels": face.clear_pixels,
        "restorable": bool(face.restorable),
        "pose": [getattr(face.pose, name) for name in _POSE],
        "light": [getattr(face.light, name) for name in _LIGHT],
        "expression": [getattr(face.expression, name) for name in _EXPRESSION],
    }


def _joined(parts: Sequence[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(parts), dtype=np.uint8)


def _lengths(parts: Sequence[bytes]) -> list[int]:
    return [len(part) for part in parts]


def _apart(joined: np.ndarray, lengths: Sequence[int]) -> list[bytes]:
    ends = np.cumsum(lengths).tolist()
    return [joined[end - length : end].tobytes() for end, length in zip(ends, lengths, strict=True)]
