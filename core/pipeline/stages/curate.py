"""The anchors of a person's album, and the photos that score the tuning."""

import hashlib
from dataclasses import replace

import numpy as np

from core.imaging.curate import PhotoFacts, decide
from core.imaging.curate.thresholds import DEFAULT
from core.pipeline.album_facts import crop_of, pack_album, unpack_photo
from core.pipeline.plan import StageCall
from core.pipeline.stages.context import Context


def handle(call: StageCall, context: Context) -> list[bytes]:
    """Compare the album's photos: whose album is it, what is sharp, what is there twice.

    Raises:
        AlbumMixedIdentityError: nobody can say whose it is; the report comes with the error.
        AlbumTooSmallError: too few photos are left; so does it.
    """
    tuning = context.recipe.finetune
    limits = DEFAULT if tuning is not None and tuning.scorings else replace(DEFAULT, held_out_share=0.0)
    side = context.prior.spec.resolution
    photos = [_facts(need, index, context) for index, need in zip(call.sources, call.needs, strict=True)]
    report = decide(photos, side, limits, context.person)
    report.require_usable()
    context.report(call, 1, 1)

    def crops(places: tuple[int, ...]) -> list[np.ndarray]:
        """In an order of their own: that in which photos were sent means nothing."""
        found = [crop_of(context.output(*call.needs[place]), report.photos[place].face or 0) for place in places]
        return sorted(found, key=lambda crop: hashlib.sha256(crop.tobytes()).digest())

    return [pack_album(report, crops(report.anchors), crops(report.held_out))]


def _facts(need: tuple[str, str], index: int, context: Context) -> PhotoFacts:
    photo = context.photo("album", index)
    error = context.errors.get(need)
    if error is not None:
        return PhotoFacts(photo.label, code=error.code, reason=error.message)
    return unpack_photo(context.output(*need), photo.label, photo.wanted)
