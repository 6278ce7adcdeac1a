"""Names of things: a type prefix, then a time-ordered random part, so that ids sort by when they were made."""

import secrets
import time
from enum import StrEnum

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no letter that is taken for a digit."""
_TIME_CHARACTERS = 10
_RANDOM_CHARACTERS = 16
ID_PATTERN_TAIL = "[0-9a-hjkmnp-tv-z]{26}"
"""What follows the prefix and its underscore, as a regular expression."""


class Prefix(StrEnum):
    """What an id names."""

    OWNER = "own"
    KEY = "key"
    FILE = "fil"
    SUBJECT = "sub"
    ALBUM_PHOTO = "pho"
    CHECKPOINT = "ckp"
    JOB = "job"
    RESTORATION = "res"
    BATCH = "bat"
    WORKER = "wkr"
    EVENT = "evt"
    WEBHOOK_ENDPOINT = "whe"
    DELIVERY = "whd"


def new_id(prefix: Prefix) -> str:
    """A new id, e.g. `job_01k8…`: 48 bits of milliseconds, then 80 random ones.

    Ids made in the same millisecond are in no order of each other; nobody can guess another's.
    """
    milliseconds = time.time_ns() // 1_000_000
    return f"{prefix}_{_encoded(milliseconds, _TIME_CHARACTERS)}{_encoded(secrets.randbits(80), _RANDOM_CHARACTERS)}"


def _encoded(number: int, length: int) -> str:
    return "".join(_ALPHABET[(number >> (5 * place)) & 31] for place in reversed(range(length)))
