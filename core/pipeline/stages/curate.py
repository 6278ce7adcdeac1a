"""The anchors of a person's album."""

import hashlib

import numpy as np

from core.domain.errors import AlbumTooSmallError
from core.domain.subject import MIN_ALBUM_PHOTOS
from core.imaging.resize import resize
from core.pipeline.artifacts import pack, unpack
from core.pipeline.plan import StageCall
from core.pipeline.stages.context import Context


def handle(call: StageCall, context: Context) -> list[bytes]:
    """Choose the anchors: usable faces, each once, at the prior's resolution; and say why the others are left out."""
    side = context.prior.spec.resolution
    kept: dict[str, np.ndarray] = {}
    report = []
    for index, need in zip(call.sources, call.needs, strict=True):
        entry = {"label": context.photo("album", index).label, "kept": False, "code": "", "reason": ""}
        error = context.errors.get(need)
        if error is not None:
            entry |= {"code": error.code, "reason": error.message}
        else:
            crop = unpack(context.output(*need))[0]["crop"]
            key = hashlib.sha256(crop.tobytes()).hexdigest()
            if crop.shape[0] * 2 < side:
                entry |= {
                    "code": "face_too_small",
                    "reason": f"The face is {crop.shape[0]} pixels wide; {side // 2} are needed.",
                }
            elif key in kept:
                entry |= {"code": "duplicate", "reason": "The same picture is in the album already."}
            else:
                kept[key] = resize(crop, side)
                entry["kept"] = True
        report.append(entry)
    if len(kept) < MIN_ALBUM_PHOTOS:
        reasons = sorted({str(entry["reason"]) for entry in report if entry["reason"]})
        error = AlbumTooSmallError(
            f"Only {len(kept)} of the album's {len(report)} photos can be used; {MIN_ALBUM_PHOTOS} are needed. "
            + " ".join(reasons[:3]),
            "Add clear photos of the person, about twenty in varied pose and light.",
        )
        error.report = tuple(report)
        raise error
    context.report(call, 1, 1)
    return [pack({"anchors": np.stack(list(kept.values()))}, {"report": report})]
