"""The first look at a photo, by itself: was it opened, has it a face, is that the person's?"""

from dataclasses import replace

from core.domain.curation import PhotoVerdict
from core.imaging.curate.facts import PhotoFacts
from core.imaging.curate.majority import Majority
from core.imaging.curate.recognise import recognise
from core.imaging.curate.thresholds import CurationThresholds


def first_verdict(place: int, photo: PhotoFacts, majority: Majority | None, limits: CurationThresholds) -> PhotoVerdict:
    """Judge a photo before it is compared with the others for size, sharpness and sameness.

    Args:
        place: the photo's, in the album.
        photo: as it was measured.
        majority: whose album it is; None where nobody is to be recognised.
        limits: the thresholds.
    """
    nothing = PhotoVerdict(photo.label, kept=False, thumbnail=photo.thumbnail)
    if photo.code:
        return replace(nothing, code=photo.code, reason=photo.reason)
    if not photo.faces:
        return replace(nothing, code="no_face_detected", reason="No face was found in the photo.")
    if majority is None or majority.person is None:
        return _first(photo, limits, recognised=majority is not None)
    found = recognise(place, photo, majority.person, limits)
    seen = _seen(photo, found.face, limits, found.sureness, kept=False)
    if majority.doubt:
        return replace(seen, code="album_mixed_identity", reason=_whom(place, majority))
    if photo.wanted or found.verdict == "same":
        return replace(seen, kept=True)
    if found.verdict == "other":
        # With the whole photo as its thumbnail: a stranger's face would not tell anybody which photo it is.
        words = "No face in the photo is that of the album's person."
        return replace(nothing, code="other_person", reason=words, sureness=0.0)
    return replace(seen, code="person_unsure", reason="The face may be the person's, but that is not sure enough.")


def _first(photo: PhotoFacts, limits: CurationThresholds, *, recognised: bool) -> PhotoVerdict:
    """The first face counts where there is nobody to be told from others; of an animal pose and light are not known."""
    seen = _seen(photo, 0, limits, sureness=None, kept=True)
    return seen if recognised else replace(seen, view="", tilt="", light="", expression="", embedding=b"")


def _seen(
    photo: PhotoFacts, face: int, limits: CurationThresholds, sureness: float | None, *, kept: bool
) -> PhotoVerdict:
    facts = photo.faces[face]
    return PhotoVerdict(
        photo.label,
        kept=kept,
        face=face,
        sureness=sureness,
        clear_pixels=facts.clear_pixels,
        view=facts.pose.view(limits),
        tilt=facts.pose.tilt(limits),
        light=facts.light.kind(limits),
        expression=facts.expression.kind(limits),
        thumbnail=facts.thumbnail,
        embedding=facts.vector.astype("<f4").tobytes(),
    )


def _whom(place: int, majority: Majority) -> str:
    """So that the two people of an album can be told apart, and one of them taken out."""
    first = majority.person is not None and place in majority.person.photos
    second = majority.rival is not None and place in majority.rival.photos
    if first and second:
        return "The photo shows both the first and the second of the album's people."
    if first or second:
        return f"The photo shows the {'first' if first else 'second'} of the album's people."
    return "The photo shows somebody who is seldom in the album."
