"""What kind of file this is, by its first bytes: a name or a header that somebody sent proves nothing."""

HEAD_BYTES = 12
"""As many first bytes are needed."""
ZIP = "application/zip"
PHOTO_SUFFIXES = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}
"""The photos that are opened (`core.imaging.intake.FORMATS`), each with its usual suffix."""


def media_type_of(head: bytes) -> str | None:
    """The media type of a file that begins so; None for what we do not open."""
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):  # the second is an empty zip's
        return ZIP
    return None
