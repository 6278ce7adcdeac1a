"""What would make an album better, in words."""

from collections import Counter
from collections.abc import Mapping, Sequence

from core.domain.curation import Advice, Coverage
from core.imaging.curate.thresholds import CurationThresholds

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

_LEFT_OUT = {
    "face_too_small": (
        "larger_originals",
        "{n} too small: send the originals, not copies from a messenger or the web.",
    ),
    "blurred": ("sharper_photos", "{n} blurred: sharper ones of the same time would help."),
    "other_person": ("other_people", "{n} not show the person: take them out, or say which face is meant."),
    "person_unsure": ("check_unsure", "{n} not surely the person: look at them, and include those that are."),
    "duplicate": ("varied_photos", "{n} the same moment as a sharper one: photos of other days teach more."),
}
"""By the code of what was left out; `{n}` becomes how many photos, with its verb."""

_NONE_HELD_OUT = (
    "With fewer than {n} photos none is held out, so that the tuning is not scored and its last step is kept."
)

_VERBS = {"other_person": ("does", "do")}


def advice_for(codes: Sequence[str], kept: int, coverage: Coverage, limits: CurationThresholds) -> tuple[Advice, ...]:
    """Look at what is missing and at what was left out.

    Args:
        codes: of all photos that were left out.
        kept: how many were kept.
        coverage: of those.
        limits: the thresholds.

    Returns:
        The most useful first: numbers, then variety, then what was left out.
    """
    advice = []
    missing = limits.wished_photos - kept
    if missing > 0:
        photos = "photo" if missing == 1 else "photos"
        advice.append(Advice("more_photos", f"{_count(missing).capitalize()} more {photos} would help."))
    if kept >= limits.least_photos:
        if limits.held_out_share and not limits.held_out(kept):
            advice.append(Advice("none_held_out", _NONE_HELD_OUT.format(n=_count(limits.first_held_out))))
        if coverage.views:
            advice += _variety(kept, coverage, limits)
    counted = Counter(codes)
    for code, (name, text) in _LEFT_OUT.items():
        if counted[code]:
            advice.append(Advice(name, text.format(n=_photos(counted[code], *_VERBS.get(code, ("is", "are"))))))
    return tuple(advice)


def _variety(kept: int, coverage: Coverage, limits: CurationThresholds) -> list[Advice]:
    advice = []
    views = coverage.views
    looks_left = views.get("left", 0) + views.get("left_profile", 0)
    looks_right = views.get("right", 0) + views.get("right_profile", 0)
    if not looks_left and not looks_right:
        advice.append(Advice("add_side_views", "Add photos that look to the side: all kept ones look at the camera."))
    elif not looks_left or not looks_right:
        side = "left" if not looks_left else "right"
        advice.append(Advice("add_side_views", f"Add photos that look to the {side} of the picture: there are none."))
    if not views.get("left_profile", 0) + views.get("right_profile", 0):
        advice.append(Advice("add_profiles", "Add profiles: no kept photo shows the face from the side."))
    if _one_sided(coverage.lights, kept, limits):
        advice.append(Advice("other_light", "Add photos in other light: almost all kept ones are lit alike."))
    if _one_sided(coverage.expressions, kept, limits):
        advice.append(Advice("other_expressions", "Add other expressions: almost all kept photos show the same."))
    return advice


def _one_sided(kinds: Mapping[str, int], kept: int, limits: CurationThresholds) -> bool:
    return max(kinds.values(), default=0) > limits.one_sided_share * kept


def _photos(count: int, singular: str, plural: str) -> str:
    return f"One photo {singular}" if count == 1 else f"{_count(count).capitalize()} photos {plural}"


def _count(number: int) -> str:
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number)
