"""What curation measures of each photo before it compares them: small enough to keep while the pixels go."""

from dataclasses import dataclass, replace

import numpy as np

from core.imaging.curate.appearance import Expression, Light, expression_of, light_of
from core.imaging.curate.candidate import AlbumCandidate, CandidateFace, small
from core.imaging.curate.clarity import clear_pixels
from core.imaging.curate.fingerprint import fingerprint
from core.imaging.curate.pose import Pose, pose_of, roll_of
from core.imaging.embedding import embed_aligned, landmarks_of_aligned
from core.imaging.faces import MIN_EYE_DISTANCE_PIXELS, Face
from core.imaging.intake import encode

_THUMBNAIL_QUALITY = 80


@dataclass(frozen=True, eq=False)
class FaceFacts:
    """Of one face.

    Attributes:
        vector: dlib's embedding, [128] float64: biometric, to be deleted with the album. Zeros where nobody is to be
            recognised.
        bits: fingerprint of the crop, [126] bool.
        mirrored_bits: fingerprint of the crop as a mirror shows it.
        side_pixels: of the crop.
        clear_pixels: how many of them hold detail.
        restorable: the eyes are far enough apart to be restored at all.
        pose: which way it looks.
        light: how it is lit.
        expression: what it does.
        thumbnail: JPEG, at most 128 pixels a side, without metadata.
    """

    vector: np.ndarray
    bits: np.ndarray
    mirrored_bits: np.ndarray
    side_pixels: int
    clear_pixels: float
    restorable: bool
    pose: Pose
    light: Light
    expression: Expression
    thumbnail: bytes


@dataclass(frozen=True, eq=False)
class PhotoFacts:
    """Of one photo.

    Attributes:
        label: the photo's.
        faces: in the candidate's order.
        code: the code of the error that kept it from being opened; else empty.
        reason: the same in words.
        thumbnail: of the whole photo, JPEG, at most 128 pixels on the longer side; empty where it was not opened.
        wanted: a person insists on it.
    """

    label: str
    faces: tuple[FaceFacts, ...] = ()
    code: str = ""
    reason: str = ""
    thumbnail: bytes = b""
    wanted: bool = False


def describe(candidate: AlbumCandidate, person: bool = True) -> PhotoFacts:
    """Measure a photo: 0.15 s a face on one core, most of it the embedding.

    Args:
        candidate: the photo, cut out.
        person: False for cats, dogs and things: dlib knows people's faces alone, so that only copies and sharpness are
            measured.
    """
    problem = candidate.problem
    return PhotoFacts(
        label=candidate.label,
        faces=tuple(_describe(face, person) for face in candidate.faces),
        code="" if problem is None else problem.code,
        reason="" if problem is None else problem.message,
        thumbnail=b"" if candidate.picture is None else _thumbnail(candidate.picture),
        wanted=candidate.wanted,
    )


def _describe(found: CandidateFace, person: bool) -> FaceFacts:
    crop, face = found.crop, found.face
    landmarks = landmarks_of_aligned(crop) if person else None
    return FaceFacts(
        vector=embed_aligned(crop) if person else np.zeros(128),
        bits=fingerprint(crop),
        mirrored_bits=fingerprint(np.ascontiguousarray(crop[:, ::-1])),
        side_pixels=len(crop),
        clear_pixels=clear_pixels(crop),
        restorable=face is None or face.eye_distance_pixels >= MIN_EYE_DISTANCE_PIXELS,
        pose=Pose(0.0, 0.0, 0.0) if landmarks is None else _pose(landmarks, face),
        light=Light(0.0, 0.0, 0.0) if landmarks is None else light_of(crop, landmarks),
        expression=Expression(0.0, 0.0, 0.0) if landmarks is None else expression_of(landmarks),
        thumbnail=_thumbnail(crop),
    )


def _pose(landmarks: np.ndarray, face: Face | None) -> Pose:
    """From the finder's own landmarks where it has all, since the crop's start from a box that fits frontal faces."""
    if face is None:
        return pose_of(landmarks)
    if len(face.landmarks) == len(landmarks):
        return pose_of(face.landmarks)
    return replace(pose_of(landmarks), roll=roll_of(face.eyes))


def _thumbnail(image: np.ndarray) -> bytes:
    return encode(small(image), "jpeg", _THUMBNAIL_QUALITY)
