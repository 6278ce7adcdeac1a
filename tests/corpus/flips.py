"""Bits turned over in what is stored: every one must be found, and nothing damaged be used or handed out whole.

    python -m tests.corpus.flips --count 1000 --seed 1

turns bits over, one after the other, in blobs of every kind, in files, in database chunks and in an object storage;
asks for each as its users do; and turns it back. Prints counts, and ends with 1 where anything was wrong. Postgres is
one of the databases where its programs are installed.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.corpus.flipped import KINDS, World, filled
from tests.s3_server import serving_s3
from tests.servers import postgres_folder, running_postgres


@dataclass(frozen=True)
class Flip:
    """What became of one bit.

    Attributes:
        store: where it was.
        kind: of the blob.
        wrong: what should not be; empty where all is well.
    """

    store: str
    kind: str
    wrong: str


def flips(worlds: dict[str, World], count: int, generator: random.Random) -> Iterator[Flip]:
    """Turn so many bits over, each store and kind in its turn, the blob and the bit by chance."""
    places = [(store, kind) for kind in KINDS for store in worlds]
    for number in range(count):
        store, kind = places[number % len(places)]
        world = worlds[store]
        target = generator.choice(world.targets[kind])
        bit = generator.randrange(8 * target.ref.size_bytes)
        world.behind.flip(target.ref, bit)
        wrong = world.wrong(target)
        world.behind.flip(target.ref, bit)
        yield Flip(store, kind, wrong or world.wrong_again(target))


@contextmanager
def worlds(folder: Path) -> Iterator[dict[str, World]]:
    """One of each store, with blobs of every kind."""
    with ExitStack() as stack:
        made = {"files": stack.enter_context(filled("files", folder / "files"))}
        made["chunks_on_sqlite"] = stack.enter_context(filled("chunks", folder / "chunks"))
        server = stack.enter_context(serving_s3())
        made["s3_and_sqlite"] = stack.enter_context(filled("s3", folder / "s3", server=server))
        if (programs := postgres_folder()) is not None:
            postgres = stack.enter_context(running_postgres(programs))
            url = postgres.create("flips")
            made["chunks_on_postgres"] = stack.enter_context(filled("chunks", folder / "postgres", url=url))
        yield made


def main() -> int:
    """Turn bits over, and report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begun = time.monotonic()
    done: list[Flip] = []
    with tempfile.TemporaryDirectory() as folder, worlds(Path(folder)) as made:
        for flip in flips(made, options.count, random.Random(options.seed)):
            done.append(flip)
            if flip.wrong:
                print(f"WRONG {flip.store} {flip.kind}: {flip.wrong}", flush=True)  # noqa: T201  # it reports
    table = Counter((flip.store, flip.kind) for flip in done)
    wrong = sum(bool(flip.wrong) for flip in done)
    lines = [f"{store:20} {kind:16} {count:5}" for (store, kind), count in sorted(table.items())]
    lines += [f"seed {options.seed}: {len(done) - wrong} of {len(done)} found; {time.monotonic() - begun:.0f} s"]
    print("\n".join(lines))  # noqa: T201  # it reports
    return 1 if wrong or not done else 0


if __name__ == "__main__":
    sys.exit(main())
