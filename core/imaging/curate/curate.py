"""Look through an album: one verdict for each photo, one report for all."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from core.domain.curation import Coverage, CurationReport, PhotoVerdict
from core.domain.errors import AlbumMixedIdentityError, AlbumTooSmallError
from core.imaging.curate.advice import advice_for
from core.imaging.curate.candidate import AlbumCandidate
from core.imaging.curate.coverage import coverage_of
from core.imaging.curate.duplicates import moments_of
from core.imaging.curate.facts import FaceFacts, PhotoFacts, describe
from core.imaging.curate.held_out import choose_held_out
from core.imaging.curate.majority import Majority, majority_of
from core.imaging.curate.sift import sift
from core.imaging.curate.thresholds import DEFAULT, CurationThresholds
from core.imaging.curate.verdict import first_verdict


def curate(
    photos: Iterable[AlbumCandidate], resolution: int, limits: CurationThresholds = DEFAULT, person: bool = True
) -> CurationReport:
    """Look through an album.

    Photos are taken one after the other, and nothing of their pixels is kept but thumbnails: a generator's memory is
    one photo's.

    Args:
        photos: what somebody sent.
        resolution: the prior's, in pixels.
        limits: the thresholds.
        person: False for albums of cats, dogs and things: each photo's first crop counts, and nobody is recognised.

    Returns:
        The report; an album on which nothing can be tuned has its refusal in it (`CurationReport.require_usable`).
    """
    return decide([describe(photo, person) for photo in photos], resolution, limits, person)


def decide(
    photos: Sequence[PhotoFacts], resolution: int, limits: CurationThresholds = DEFAULT, person: bool = True
) -> CurationReport:
    """Compare photos that `describe` measured; see `curate`."""
    if not person:  # without embeddings beside them, only hashes that nearly agree say anything
        limits = replace(limits, moment_bits=limits.copy_bits)
    majority = _majority(photos, limits) if person else None
    mixed = majority is not None and majority.doubt != ""
    verdicts = [first_verdict(place, photo, majority, limits) for place, photo in enumerate(photos)]
    if not mixed:
        verdicts = sift(verdicts, photos, resolution, limits)
    kept = [place for place, verdict in enumerate(verdicts) if verdict.kept]
    faces = [_face(photos[place], verdicts[place]) for place in kept]
    for number in choose_held_out(faces, limits):
        verdicts[kept[number]] = replace(verdicts[kept[number]], held_out=True)
    coverage = coverage_of(faces, limits) if person else Coverage()
    codes = [verdict.code for verdict in verdicts if not verdict.kept]
    report = CurationReport(
        photos=tuple(verdicts),
        sureness=1.0 if majority is None else majority.sureness,
        coverage=coverage,
        advice=() if mixed else advice_for(codes, len(kept), coverage, limits),
        refusal=_refusal(verdicts, majority, len(kept), limits),
    )
    if report.refusal is not None:
        report.refusal.report = report
    return report


def _majority(photos: Sequence[PhotoFacts], limits: CurationThresholds) -> Majority:
    """Only faces that can be restored are witnesses: a spectator far behind is nobody."""
    vectors = [np.array([face.vector for face in photo.faces if face.restorable]).reshape(-1, 128) for photo in photos]
    return majority_of(vectors, moments_of(photos, limits), limits)


def _face(photo: PhotoFacts, verdict: PhotoVerdict) -> FaceFacts:
    return photo.faces[verdict.face or 0]


def _refusal(
    verdicts: Sequence[PhotoVerdict], majority: Majority | None, kept: int, limits: CurationThresholds
) -> AlbumTooSmallError | AlbumMixedIdentityError | None:
    if majority is not None and majority.doubt:
        return AlbumMixedIdentityError(
            _MIXED[majority.doubt].format(percent=round(100 * majority.share)),
            "Send photos of one person; in group photos that person should be the one who is in most of them.",
        )
    if kept < limits.least_photos:
        reasons = sorted({verdict.reason for verdict in verdicts if not verdict.kept and verdict.reason})
        return AlbumTooSmallError(
            f"Only {kept} of the album's {len(verdicts)} photos can be used; {limits.least_photos} are needed. "
            + " ".join(reasons[:3]),
            "Add clear photos of the person, about twenty in varied pose and light.",
        )
    return None


_MIXED = {
    "no_majority": "No person is in more than half of the photos; the most frequent one is in {percent} %.",
    "rival": "Two people are in about as many photos, so that nobody can say whose album it is.",
    "spread": "The faces are too unlike each other to be one person's.",
}
