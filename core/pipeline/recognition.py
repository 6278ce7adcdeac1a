"""Faces that nobody named, told by the albums of those who are known: proposed always, applied where it is sure."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from core.imaging.who import Guess, who_is_it
from core.pipeline.found import FoundFaces
from core.pipeline.request import OWN, RestoreRequest


def recognised(found: FoundFaces, vectors: Mapping[int, np.ndarray], request: RestoreRequest) -> dict[int, Guess]:
    """Whom each face is likest to, by number; empty where faces are not to be recognised, or nobody is known.

    Two faces of one photo are not one person: of those that are taken for the same one, the likest is, and the others
    are proposals without an effect.

    Args:
        found: the photo's faces.
        vectors: embeddings of those to be restored, by number.
        request: with references by checkpoint.
    """
    shown = {OWN, *(face.checkpoint_id for face in found.faces if face.named)}  # nobody is in a photo twice
    known = {
        key: vectors for key, vectors in request.references.items() if key not in shown and key in request.checkpoints
    }
    if not request.recognise or not known:
        return {}
    named = {face.n for face in found.faces if face.named}
    guesses = {n: who_is_it(vector, known) for n, vector in vectors.items() if n not in named}
    surest: dict[str, int] = {}
    for n, guess in guesses.items():
        other = surest.get(guess.key)
        if other is None or guess.margin > guesses[other].margin:
            surest[guess.key] = n
    return {
        n: guess if surest[guess.key] == n else guess._replace(sureness=0.0, margin=min(guess.margin, 0.0))
        for n, guess in guesses.items()
    }


def with_checkpoints(found: FoundFaces, proposals: Mapping[int, Guess]) -> FoundFaces:
    """The faces, each with the checkpoint of whom it surely shows."""
    sure = {n: guess.key for n, guess in proposals.items() if guess.applies}
    return replace(
        found, faces=tuple(replace(face, checkpoint_id=sure.get(face.n, face.checkpoint_id)) for face in found.faces)
    )
