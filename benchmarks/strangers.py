"""Who is told by an album, and who is mistaken for its person: `python -m benchmarks.strangers ALBUMS FACES`.

ALBUMS holds a folder of aligned photos for each of several people; FACES, optional, is a folder with an `index.csv`
(file, source) and zips of aligned faces of strangers. References are drawn from twenty photos of each person; the
others, clean and degraded, are to be told.
"""

import csv
import sys
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np

from core.imaging.degrade import DEGRADATIONS, degrade
from core.imaging.embedding import embed_aligned
from core.imaging.intake import decode_photo
from core.imaging.who import who_is_it

_REFERENCE_PHOTOS, _DRAWS = 20, 20
_STRANGERS_OF_A_SOURCE = 500


def main(albums: Path, faces: Path | None) -> None:
    """Print the share that is taken for each person, by who the faces are, for 3, 5, 8 and 16 references."""
    people = {folder.name: _album(folder) for folder in sorted(albums.iterdir()) if folder.is_dir()}
    strangers = {} if faces is None else _strangers(faces)
    rng = np.random.default_rng(0)
    for count in (3, 5, 8, 16):
        for name, (known, clean, degraded) in people.items():
            others = np.concatenate([np.concatenate(own) for other, own in people.items() if other != name])
            groups = {"own": clean, "own, degraded": degraded, "the other people": others} | strangers
            shares = defaultdict(list)
            for _ in range(_DRAWS):
                references = {name: known[rng.choice(len(known), count, replace=False)]}
                for group, vectors in groups.items():
                    shares[group].append(np.mean([who_is_it(vector, references).applies for vector in vectors]))
            told = "; ".join(f"{group} {np.mean(share):.4f}" for group, share in shares.items())
            print(f"{count} references, {name}: {told}", flush=True)


def _album(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings of photos to know the person by, and of others, clean and degraded."""
    paths = sorted(folder.iterdir())
    rng = np.random.default_rng(0)
    crops = [decode_photo(paths[place].read_bytes()) for place in rng.permutation(len(paths))]
    rest = crops[_REFERENCE_PHOTOS:]
    worse = [degrade(crop, kind, rng) for crop in rest for kind in DEGRADATIONS]
    known, clean, degraded = (
        np.stack(list(map(embed_aligned, some))) for some in (crops[:_REFERENCE_PHOTOS], rest, worse)
    )
    return known, clean, degraded


def _strangers(folder: Path) -> dict[str, np.ndarray]:
    """Embeddings of some faces of each source."""
    archives = [zipfile.ZipFile(path) for path in sorted(folder.glob("*.zip"))]
    where = {Path(name).name: (archive, name) for archive in archives for name in archive.namelist()}
    names = defaultdict(list)
    with (folder / "index.csv").open(newline="") as rows:
        for row in csv.DictReader(rows):
            names[row["source"]].append(row["file"])
    found = {}
    for source, files in sorted(names.items()):
        chosen = np.random.default_rng(0).permutation(files)[:_STRANGERS_OF_A_SOURCE]
        photos = (where[str(file)][0].read(where[str(file)][1]) for file in chosen)
        found[source] = np.stack([embed_aligned(decode_photo(photo)) for photo in photos])
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
