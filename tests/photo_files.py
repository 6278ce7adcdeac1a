"""Photos of every kind, written by Pillow and OpenCV: never by the code under test."""

import io

import cv2
import numpy as np
from PIL import Image


def saved(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def deep_file(pixels, suffix):
    """[H, W, 1, 3 or 4] uint16 as OpenCV writes it."""
    if pixels.shape[2] == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    elif pixels.shape[2] == 4:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA)
    return cv2.imencode(suffix, pixels)[1].tobytes()


def read_elsewhere(data):
    """[H, W, C] in RGB order: by Pillow, or, where it sees 16-bit colours as 8-bit ones, by OpenCV."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels.dtype == np.uint8:  # of a TIFF with alpha OpenCV multiplies the colours: Pillow does not
        with Image.open(io.BytesIO(data)) as picture:
            return np.asarray(picture).reshape(picture.height, picture.width, -1)
    if pixels.ndim == 2:
        return pixels[..., None]
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)


def noise(channels, dtype, height=41, width=53, seed=0):
    levels = np.iinfo(dtype).max + 1
    return np.random.default_rng(seed).integers(0, levels, (height, width, channels), dtype=dtype)


def curve_tag(gamma):
    return b"curv" + bytes(4) + (1).to_bytes(4, "big") + round(gamma * 256).to_bytes(2, "big")


def xyz_tag(x, y, z):
    return b"XYZ " + bytes(4) + b"".join(round(value * 65_536).to_bytes(4, "big", signed=True) for value in (x, y, z))


def profile_of(space, tags):
    """A version 2 display profile of the tags given."""
    tags = {
        b"desc": b"desc" + bytes(4) + (5).to_bytes(4, "big") + b"test\0" + bytes(78),
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": xyz_tag(0.9642, 1.0, 0.8249),
        **tags,
    }
    table, bodies, offset = b"", b"", 132 + 12 * len(tags)
    for name, body in tags.items():
        table += name + offset.to_bytes(4, "big") + len(body).to_bytes(4, "big")
        padded = body + bytes(-len(body) % 4)
        bodies, offset = bodies + padded, offset + len(padded)
    header = offset.to_bytes(4, "big") + bytes(4) + bytes.fromhex("02400000") + b"mntr" + space + b"XYZ " + bytes(12)
    header += b"acsp" + bytes(28) + bytes.fromhex("0000f6d6000100000000d32d")
    return header.ljust(128, b"\0") + len(tags).to_bytes(4, "big") + table + bodies


def wide_profile():
    """Adobe RGB (1998): its primaries under D50, gamma 2.2."""
    colours = {b"rXYZ": (0.60974, 0.31111, 0.01947), b"gXYZ": (0.20528, 0.62567, 0.06087)}
    tags = {name: xyz_tag(*colour) for name, colour in (colours | {b"bXYZ": (0.14919, 0.06322, 0.74457)}).items()}
    return profile_of(b"RGB ", tags | {name: curve_tag(2.19921875) for name in (b"rTRC", b"gTRC", b"bTRC")})


def grey_profile():
    """Grey with gamma 1.8."""
    return profile_of(b"GRAY", {b"kTRC": curve_tag(1.8)})
