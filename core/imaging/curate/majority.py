"""Whether one person is in most of an album's photos, and nobody else as good as equally often."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.imaging.curate.person import Person, densest_person
from core.imaging.curate.thresholds import CurationThresholds

Doubt = Literal["", "no_majority", "rival", "spread"]


@dataclass(frozen=True, eq=False)
class Majority:
    """The album's person, and what speaks against there being one.

    Attributes:
        person: the most frequent one; None where no photo has a face.
        rival: the next frequent one, where there is any.
        share: of the photos with a face, how many show the person; copies count once.
        doubt: empty where the album is this person's. Else: too few photos show them, a rival is as frequent, or
            their photos are so unlike that they are several people.
    """

    person: Person | None
    rival: Person | None
    share: float
    doubt: Doubt

    @property
    def sureness(self) -> float:
        """How clear the majority is: 1 where every photo shows the person, 0 where as many do not; 0 in doubt."""
        return 0.0 if self.doubt or self.person is None else float(np.clip(2.0 * self.share - 1.0, 0.0, 1.0))


def majority_of(photos: Sequence[np.ndarray], moments: Sequence[int], limits: CurationThresholds) -> Majority:
    """Find the album's person.

    A companion who stands beside the person in many photos is no rival: what counts are the photos that show the one
    without the other.

    Args:
        photos: for each, its faces' embeddings, [faces, 128] float64; there may be none.
        moments: for each, which moment it shows; copies of one picture count once.
        limits: the thresholds.
    """
    person = densest_person(photos, moments, limits)
    if person is None:
        return Majority(None, None, 0.0, "")
    rival = densest_person(photos, moments, limits, without=person)
    all_moments = {moments[photo] for photo, vectors in enumerate(photos) if len(vectors)}
    theirs = {moments[photo] for photo in person.photos}
    rivals = set() if rival is None else {moments[photo] for photo in rival.photos}
    share = len(theirs) / len(all_moments)
    return Majority(person, rival, share, _doubt(person, theirs, rivals, share, limits))


def _doubt(person: Person, theirs: set[int], rivals: set[int], share: float, limits: CurationThresholds) -> Doubt:
    if share <= limits.majority_share:
        return "no_majority"
    lead = len(theirs - rivals)
    # One photo of somebody else makes no rival where the person has two.
    counts = len(rivals) > 1 or len(theirs) == 1
    if counts and rivals:
        outnumbered = len(rivals - theirs) > limits.rival_ratio * lead
        if outnumbered or lead < max(1.0, limits.least_lead * len(theirs)):
            return "rival"
    if person.spread > limits.most_spread + limits.spread_allowance / len(theirs):
        return "spread"
    return ""
