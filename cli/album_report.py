"""An album's report and a tuning's curve, for people."""

from typing import TYPE_CHECKING, Any

from cli.progress import console
from core.domain.curation import CurationReport, PhotoVerdict

if TYPE_CHECKING:
    from core.pipeline.checkpoint import CheckpointInfo


def print_report(report: CurationReport) -> None:
    """Photo by photo whether it was kept, then what would make the album better."""
    for photo in report.photos:
        console.print(_line(photo), markup=False, highlight=False, soft_wrap=True)
    for entry in report.advice:
        console.print(f"advice    {entry.text}", markup=False, highlight=False, soft_wrap=True)


def print_curve(info: "CheckpointInfo") -> None:
    """How well held-out photos were restored on the way, and which step was kept."""
    curve: list[dict[str, Any]] = info.scores.get("curve", [])
    for scored in curve:
        likeness = "" if scored["identity"] is None else f"identity {scored['identity']:.3f}  "
        mark = "  (before tuning)" if scored["step"] == 0 else "  ← kept" if scored["step"] == info.step else ""
        console.print(f"step {scored['step']:>6}  {likeness}PSNR {scored['psnr']:.2f} dB{mark}", highlight=False)
    if not curve:
        console.print("No photo was held out: the last step was kept, unscored.", highlight=False)


def _line(photo: PhotoVerdict) -> str:
    if not photo.kept:
        return f"left out  {photo.label}: {photo.reason} ({photo.code})"
    shows = ", ".join(
        word.replace("_", " ") for word in (photo.view, photo.tilt, photo.light, photo.expression) if word
    )
    said = ". ".join(part for part in (shows, photo.reason) if part)
    return f"{'held out' if photo.held_out else 'kept':<9} {photo.label}" + (f": {said}" if said else "")
