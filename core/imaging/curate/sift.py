"""The second look: large enough, sharp enough, and each moment once.

Neither line is a hard gate. A photo that is small or blurred to this prior still shows the person, so while few are
kept the best of them are taken in; only what holds hardly any detail is left out of every album.
"""

from collections.abc import Sequence
from dataclasses import replace

from core.domain.curation import PhotoVerdict
from core.imaging.curate.duplicates import alike
from core.imaging.curate.facts import FaceFacts, PhotoFacts
from core.imaging.curate.thresholds import CurationThresholds

_WANTED, _FIRM, _SOFT = range(3)


def sift(
    verdicts: Sequence[PhotoVerdict], photos: Sequence[PhotoFacts], resolution: int, limits: CurationThresholds
) -> list[PhotoVerdict]:
    """Go through the photos, the best first, and leave out what is too small, blurred or there already.

    Args:
        verdicts: the first ones; those that are not kept stay as they are.
        photos: as they were measured, in the same order.
        resolution: the prior's, in pixels.
        limits: the thresholds.
    """
    sifted = list(verdicts)
    faces = {place: photos[place].faces[verdict.face or 0] for place, verdict in enumerate(verdicts) if verdict.kept}
    weakness = {place: _weakness(face, resolution, limits) for place, face in faces.items()}

    def rank(place: int) -> int:
        return _WANTED if photos[place].wanted else _SOFT if weakness[place] else _FIRM

    def order(place: int) -> tuple[int, float, int, bytes, int]:
        """The place counts only between faces that are equal to the last bit."""
        face = faces[place]
        return rank(place), -face.clear_pixels, -face.side_pixels, face.vector.tobytes() + face.bits.tobytes(), place

    best_first = sorted(faces, key=order)
    kept: list[int] = []
    for place in best_first:
        verdict, face, weak = sifted[place], faces[place], weakness[place]
        # Somebody who insists on a copy does not ask for the better one to go.
        rivals = [other for other in kept if rank(other) != _WANTED]
        twin = next((other for other in rivals if alike(face, faces[other], limits)), None)
        if not face.restorable:
            verdict = _out(verdict, "face_too_small", "The eyes are less than 12 pixels apart.")
        elif rank(place) == _WANTED:
            verdict = replace(verdict, reason="Kept because somebody asked for it.")
        elif twin is not None:
            label = sifted[twin].label
            verdict = replace(_out(verdict, "duplicate", _DUPLICATE), duplicate_of=label)
        elif weak is not None:
            hopeless = face.clear_pixels < limits.floor_fraction * resolution
            if hopeless or len(kept) >= limits.comfortable_photos:
                verdict = _out(verdict, *weak)
            else:
                verdict = replace(verdict, reason=f"Kept because the album has few photos. {weak[1]}")
        if verdict.kept:
            kept.append(place)
        sifted[place] = verdict
    return sifted


_DUPLICATE = "The album has this picture, or one of the same moment, in a better copy."


def _weakness(face: FaceFacts, resolution: int, limits: CurationThresholds) -> tuple[str, str] | None:
    """What speaks against a face at this resolution: a code and its words, or nothing."""
    needed = round(limits.detail_fraction * resolution)
    if face.side_pixels < needed:
        return "face_too_small", f"The face is {face.side_pixels} pixels wide; {needed} are needed."
    if face.clear_pixels < needed:
        return (
            "blurred",
            f"The face shows no more detail than one of {face.clear_pixels:.0f} pixels; {needed} are needed.",
        )
    return None


def _out(verdict: PhotoVerdict, code: str, reason: str) -> PhotoVerdict:
    return replace(verdict, kept=False, code=code, reason=reason)
