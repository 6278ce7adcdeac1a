"""What kind of file this is, by its first bytes: a name or a header that somebody sent proves nothing."""

from core.imaging.original import heic

HEAD_BYTES = 12
"""As many first bytes are needed."""
ZIP = "application/zip"
HEIC = "image/heic"
PHOTO_SUFFIXES = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/tiff": "tif",
    HEIC: "heic",
}
"""The photos that are opened, each with its usual suffix; HEIC where pillow-heif is installed."""


def media_type_of(head: bytes) -> str | None:
    """The media type of a file that begins so; None for what we do not know. Of HEIC see `readable`."""
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):  # the latter two of more than four gigabytes
        return "image/tiff"
    if heic.looks_like_heic(head):
        return HEIC
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):  # the second is an empty zip's
        return ZIP
    return None


def readable(media_type: str | None) -> bool:
    """Whether photos of this media type are read here: HEIC needs the extra of that name."""
    return media_type in PHOTO_SUFFIXES and (media_type != HEIC or heic.available())


def kinds() -> str:
    """The kinds of photos that are read here, for a sentence."""
    return f"JPEG, PNG, WebP{', TIFF or HEIC' if heic.available() else ' or TIFF'}"
