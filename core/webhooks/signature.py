"""Signatures as Standard Webhooks defines them: HMAC-SHA256 over `id.timestamp.body`, under a secret of the endpoint's.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

PREFIX = "whsec_"
_SECRET_BYTES = 32


def new_secret() -> str:
    """A secret as its receiver keeps it: `whsec_` and 32 random bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """One signature, `v1,` and base64.

    Args:
        secret: of `new_secret`.
        message_id: the event's; the same however often it is sent.
        timestamp: seconds since 1970, of this attempt.
        body: as it is sent, to the byte.
    """
    key = base64.b64decode(secret.removeprefix(PREFIX))
    content = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def headers(secrets_alive: Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """What a receiver checks: while a secret is being replaced, signatures under both."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(secret, message_id, timestamp, body) for secret in secrets_alive),
    }
