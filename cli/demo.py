"""`heirloom demo`: the main job from start to end on a photo that comes with a dependency."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.device import Device, Precision, open_device
from cli.errors import json_errors
from cli.progress import console
from cli.restore import restore_command
from core.domain.mode import Mode


class DemoMode(StrEnum):
    """The modes that need nothing but the photo: there is no album of it."""

    GENERATIVE = Mode.GENERATIVE.value
    DIRECT = Mode.DIRECT.value


def demo_command(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the pictures.")] = Path("out/demo"),
    mode: Annotated[DemoMode, typer.Option(help="generative, or direct for a quick look.")] = DemoMode.GENERATIVE,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same result.")] = 0,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.AUTO,
    precision: Annotated[Precision, typer.Option(help="How precisely.")] = Precision.AUTO,
    as_json: Annotated[bool, typer.Option("--json", help="The report of `restore` on standard output.")] = False,
) -> None:
    """Degrade a photo, restore it, and put before and after side by side."""
    with json_errors(as_json):
        open_device(device)  # before anything is made
        import numpy as np
        from skimage.data import astronaut  # public domain (NASA), ships inside scikit-image

        from core.imaging.align import align_face, alignment_of, largest_face_crop
        from core.imaging.degrade import degrade
        from core.imaging.faces import DlibFaceFinder
        from core.imaging.files import make_folder, write_atomically
        from core.imaging.intake import decode_photo, encode
        from core.imaging.resize import resize

        make_folder(output)
        clean = np.ascontiguousarray(astronaut())
        truth = largest_face_crop(clean, DlibFaceFinder())
        bad = degrade(clean, "mix", np.random.default_rng(7), truth.alignment.side_pixels)
        write_atomically(output / "photo.jpg", encode(bad, "jpeg", 90))
    console.print(f"A degraded photo stands in {output / 'photo.jpg'}; restoring it in the {mode} mode.")
    restore_command(
        [output / "photo.jpg"],
        output / "restored.png",
        mode=Mode(mode.value),
        seed=seed,
        device=device,
        precision=precision,
        as_json=as_json,
        verbose=True,
    )

    restored = decode_photo((output / "restored.png").read_bytes())
    before = largest_face_crop(decode_photo((output / "photo.jpg").read_bytes()), DlibFaceFinder())
    side = 384
    original = align_face(clean, alignment_of(truth.face.landmarks), side)
    sheet = np.hstack([resize(before.crop, side), resize(restored, side), original])
    write_atomically(output / "before_after.png", encode(sheet))
    console.print(f"[green]wrote[/] {output / 'before_after.png'}: before, restored, and the original", highlight=False)
