"""Looking through an album: which photos to tune on, which to score with, and what to tell the person.

`candidate_of` finds a photo's faces, `describe` measures them and lets the pixels go, `decide` compares the photos;
`curate` is the last two in one.
"""

from core.domain.curation import Advice, Coverage, CurationReport, PhotoVerdict
from core.imaging.curate.candidate import AlbumCandidate, CandidateFace, candidate_of
from core.imaging.curate.curate import curate, decide
from core.imaging.curate.facts import FaceFacts, PhotoFacts, describe
from core.imaging.curate.thresholds import CurationThresholds

__all__ = [
    "Advice",
    "AlbumCandidate",
    "CandidateFace",
    "Coverage",
    "CurationReport",
    "CurationThresholds",
    "FaceFacts",
    "PhotoFacts",
    "PhotoVerdict",
    "candidate_of",
    "curate",
    "decide",
    "describe",
]
