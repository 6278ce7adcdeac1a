"""`heirloom demo`: the main job from start to end on a photo that comes with a dependency."""

import json
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.device import Device, Precision, open_device
from cli.errors import json_errors
from cli.progress import StageBars, console, duration
from cli.restore import restore_command
from cli.settings import home, prior_name
from core.domain.mode import Mode
from core.priors.licence import licence_line
from core.priors.locate import describe_prior, locate_prior

if TYPE_CHECKING:
    import numpy as np


class DemoMode(StrEnum):
    """`personal` goes through the service; the others need no album, and run in this process."""

    PERSONAL = Mode.PERSONAL.value
    GENERATIVE = Mode.GENERATIVE.value
    DIRECT = Mode.DIRECT.value


def demo_command(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the pictures.")] = Path("out/demo"),
    mode: Annotated[
        DemoMode, typer.Option(help="personal: the service, over HTTP; generative or direct: this command alone.")
    ] = DemoMode.PERSONAL,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same result.")] = 0,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.AUTO,
    precision: Annotated[Precision, typer.Option(help="How precisely.")] = Precision.AUTO,
    as_json: Annotated[bool, typer.Option("--json", help="A report on standard output.")] = False,
) -> None:
    """Degrade a photo, restore it, and put before and after side by side."""
    with json_errors(as_json):
        open_device(device)  # before anything is made
        from cli.demo_pictures import demo_photo
        from core.imaging.files import make_folder, write_atomically
        from core.imaging.intake import encode

        make_folder(output)
        photo = demo_photo()
        sent = encode(photo.bad, "jpeg", 90)
        write_atomically(output / "photo.jpg", sent)
        console.print(f"A degraded photo stands in {output / 'photo.jpg'}; restoring it in the {mode} mode.")
        if mode is DemoMode.PERSONAL:
            faces = _through_the_service(output, sent, seed, device, precision, as_json)
    if mode is not DemoMode.PERSONAL:
        faces = _in_this_process(output, Mode(mode.value), seed, device, precision, as_json)
    _put_side_by_side(output, *faces, photo.original)


def _through_the_service(
    output: Path, photo: bytes, seed: int, device: Device, precision: Precision, as_json: bool
) -> tuple[bytes, bytes]:
    """Start a service, register an album with it, restore with it; the face before, as it was found, and after."""
    import httpx

    from cli.demo_pictures import ALBUM_PHOTOS, demo_album
    from cli.demo_service import restore_over_http
    from cli.service_process import running_service
    from core.imaging.files import write_atomically

    prior = locate_prior(prior_name(), home())  # before the home is another
    console.print(f"prior: {licence_line(describe_prior(prior_name(), home()))}", highlight=False, soft_wrap=True)
    console.print(
        f"The album is {ALBUM_PHOTOS} variants of the same portrait, public domain: it shows the steps, and flatters "
        "the result. A real one holds other photos of the person.",
        soft_wrap=True,
    )
    with tempfile.TemporaryDirectory(prefix="heirloom-demo-") as folder:
        chosen = {"prior": prior_name() if prior_name() == "starter" else str(prior.resolve())}
        chosen |= {"device": device.value, "precision": precision.value}
        with running_service(Path(folder) / "home", output / "service.log", **chosen) as url:
            console.print(f"A service of its own listens on {url}.", highlight=False)
            with httpx.Client(base_url=url, timeout=60) as client, StageBars(quiet=as_json) as bars:
                done = restore_over_http(client, demo_album(), photo, seed, bars.report)
    write_atomically(output / "restored.jpg", done.image)
    took = ", ".join(f"{name} {duration(seconds)}" for name, seconds in done.seconds.items())
    console.print(f"album: {done.album['kept']} photos kept, {done.album['left_out']} left out; {took}")
    if as_json:
        report = {"album": {key: done.album[key] for key in ("kept", "left_out")}, "seed": seed}
        typer.echo(json.dumps(report | {"seconds": done.seconds, "scores": done.scores}, indent=1))
    return done.before, done.after


def _in_this_process(
    output: Path, mode: Mode, seed: int, device: Device, precision: Precision, as_json: bool
) -> tuple[bytes, bytes]:
    """Restore as `heirloom restore` does; the face before and after."""
    with tempfile.TemporaryDirectory(prefix="heirloom-demo-") as folder:
        restore_command(
            [output / "photo.jpg"],
            output / "restored.jpg",
            mode=mode,
            seed=seed,
            crops=Path(folder),
            device=device,
            precision=precision,
            as_json=as_json,
            verbose=True,
        )
        before, after = (Path(folder) / f"restored-face0-{kind}.png" for kind in ("before", "1"))
        return before.read_bytes(), after.read_bytes()


def _put_side_by_side(output: Path, before: bytes, after: bytes, original: "np.ndarray") -> None:
    from cli.demo_pictures import side_by_side
    from core.imaging.files import write_atomically
    from core.imaging.intake import decode_photo

    write_atomically(output / "before_after.png", side_by_side(decode_photo(before), decode_photo(after), original))
    console.print(f"[green]wrote[/] {output / 'before_after.png'}: before, restored, and the original", highlight=False)
