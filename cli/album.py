"""`heirloom album`: what a tuning would make of an album, without tuning."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.album_report import print_report
from cli.errors import json_errors
from cli.progress import console, new_progress
from cli.settings import face_finder, home, prior_name
from core.domain.errors import BadInputError
from core.domain.subject import Category


def album_command(
    album: Annotated[Path, typer.Argument(help="The photos: a zip or a folder.")],
    category: Annotated[Category, typer.Option(help="What they show; faces are found of a person.")] = Category.PERSON,
    aligned: Annotated[bool, typer.Option("--aligned", help="The photos are face crops in FFHQ framing.")] = False,
    prior: Annotated[str | None, typer.Option(help="For this prior's resolution; default HEIRLOOM_PRIOR.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable report on standard output.")] = False,
) -> None:
    """Look an album through: which photos a tuning would use, which not and why, and what would make it better."""
    with json_errors(as_json):
        from cli.requests import decode_pool
        from core.imaging.archive import read_album
        from core.imaging.curate import PhotoFacts, decide, describe
        from core.imaging.curate.look import Look
        from core.priors.locate import describe_prior

        person = category is Category.PERSON
        resolution = describe_prior(prior or prior_name(), home()).resolution
        facts = []
        with new_progress(as_json) as progress, decode_pool() as pool:
            look = Look(resolution, person, face_finder(), decode=pool.working)
            for entry in progress.track(read_album(album), description="looking at photos"):
                try:
                    facts.append(describe(look.at(entry.name, entry.data, aligned), person))
                except BadInputError as error:
                    facts.append(PhotoFacts(entry.name, code=error.code, reason=error.message))
        report = decide(facts, resolution, person=person)
        if as_json and report.refusal is None:
            typer.echo(json.dumps({"kept": len(report.kept), "album": report.as_json()}, indent=1))
        if not as_json:
            print_report(report)
        report.require_usable()
    if not as_json:
        console.print(f"{len(report.kept)} of {len(report.photos)} photos would be kept", highlight=False)
