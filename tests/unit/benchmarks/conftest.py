import zipfile

import numpy as np
import pytest
from skimage.data import astronaut

from core.imaging.intake import encode
from core.imaging.resize import resize
from tests.one_face import aligned_faces


@pytest.fixture(scope="session")
def face() -> np.ndarray:
    """A clean aligned face, [256, 256, 3]: NASA's astronaut, public domain."""
    return np.ascontiguousarray(astronaut()[10:266, 90:346])


def variant(face, number):
    """The same face, moved and lit otherwise: what an album holds."""
    moved = np.roll(face, (3 * number, -2 * number), axis=(0, 1)).astype(np.float32)
    return np.asarray((moved * (1.0 - 0.02 * number)).clip(0, 255), dtype=np.uint8)


@pytest.fixture(scope="session")
def photos_beside(tmp_path_factory, face):
    """A folder laid out like the one beside the checkout, with a few variants of one face everywhere."""
    shared = tmp_path_factory.mktemp("shared")
    lights = aligned_faces(10, 256)  # what curation takes for one person's, and not for copies
    photos = shared / "photos"
    (photos / "faces128").mkdir(parents=True)
    with zipfile.ZipFile(photos / "faces128" / "faces128-0.zip", "w") as archive:
        for number in range(6):
            archive.writestr(f"{number:06d}.png", encode(resize(variant(face, number), 128)))
    lines = [f"{n:06d}.png,{'All-Age-Faces' if n % 2 else 'LFW deep-funneled'}" for n in range(6)]
    (photos / "faces128" / "index.csv").write_text("\n".join(["file,source", *lines]) + "\n")

    def save(folder, names):
        folder.mkdir(parents=True)
        for number, name in enumerate(names):
            # Beyond ten lights a shade darker: another picture to a comparison of bytes, the same to curation.
            picture = (lights[number % len(lights)] * (1.0 - 0.01 * (number // len(lights)))).astype(np.uint8)
            (folder / name).write_bytes(encode(picture, "jpeg" if name.endswith("jpg") else "png"))

    save(photos / "albums_aligned" / "emma_watson", [f"{n:02d}.jpg" for n in range(36)])
    save(photos / "albums_aligned" / "roger_federer", [f"{n:02d}.jpg" for n in range(34)])
    save(photos / "albums_aligned" / "iu", [f"{n:02d}.jpg" for n in range(22)])
    save(photos / "real_personal" / "obama" / "album", [f"o{n}.png" for n in range(1, 10)])
    save(photos / "real_personal" / "obama" / "degraded_aligned", [f"i{n}.png" for n in range(1, 5)])
    save(photos / "degraded" / "aligned", ["diffbir_hermione.jpg", "gfpgan_one.png"])
    return shared
