"""What comes before serving or working: a private home, a database at the right revision, a prior that may be used."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from core import logs
from core.domain.errors import OutputUnwritableError, SettingsError
from core.imaging.faces.open import FinderChoice
from core.priors.licence import check_licence
from core.priors.locate import describe_prior
from core.priors.spec import PriorSpec
from core.services.offer import open_offer
from core.settings import Settings

if TYPE_CHECKING:
    from core.db.session import Database

PRIVATE = 0o700


def prepare(settings: Settings) -> PriorSpec:
    """Make the home and the embedded database where they are not there yet; find out what is not as it must be.

    Returns:
        The prior that jobs will use.

    Raises:
        HeirloomError: the prior is not here or may not be used so, the recipes or their default are wrong, the home
            cannot be written, the database cannot be reached or is not migrated. Each says what to do.
    """
    spec = describe_prior(settings.prior, settings.home)
    check_licence(spec, embedded=settings.embedded, accepted=settings.accept_research_prior)
    FinderChoice(settings.face_finder, settings.yunet_model).check()
    open_offer(spec, settings.recipes_file, settings.default_recipe)
    prepare_database(settings)
    return spec


@contextmanager
def open_database(settings: Settings) -> "Iterator[Database]":
    """The database, ready to be used, closed at the end; errors as for `prepare_database`."""
    from core.db.session import Database  # here: commands that need none do not wait for it

    prepare_database(settings)
    database = Database(settings.database_address, pool_size=1)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def migrated_database(settings: Settings) -> "Iterator[tuple[Database, str]]":
    """The database as it is, and its revision, which is this version's; nothing is made or migrated.

    Raises:
        SettingsError: it cannot be reached, or is at another revision.
    """
    from core.db.session import Database
    from migrations import run

    revision = demand_newest(run.current(settings.database_address), run.newest())
    database = Database(settings.database_address, pool_size=2)
    try:
        yield database, revision
    finally:
        database.close()


def make_private(home: Path) -> None:
    """A folder that nobody else can look into.

    Raises:
        OutputUnwritableError: it cannot be made, or is somebody else's.
    """
    try:
        home.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        if home.stat().st_mode & 0o777 != PRIVATE:
            home.chmod(PRIVATE)
    except OSError as error:
        raise OutputUnwritableError(
            f"{home} cannot be made private to you: {error.strerror}.",
            "Set HEIRLOOM_HOME to a folder of your own: photos of faces will lie in it.",
        ) from error


def prepare_database(settings: Settings) -> None:
    """Make and migrate the embedded database; of a server's, which has an operator, demand that it is migrated.

    Raises:
        OutputUnwritableError: the home cannot be made.
        SettingsError: the database cannot be reached, is at an older revision, or a newer version's and not one that
            this version can work beside; embedded, where nothing runs beside it, any newer version's.
    """
    from migrations import run

    url = settings.database_address
    if settings.embedded:
        os.umask(0o077)  # what is written from here on holds faces
        make_private(settings.home)
        run.upgrade(url)
    at, wanted = run.current(url), run.newest()
    if run.is_newer(at):
        _check_serves(url, str(at))
    else:
        demand_newest(at, wanted)


def demand_newest(at: str | None, wanted: str) -> str:
    """The revision that the database has, where it is the one that this version needs.

    Raises:
        SettingsError: it is another.
    """
    if at != wanted:
        raise SettingsError(
            f"The database is at revision {at or 'none'}, and this version of Heirloom needs {wanted}.",
            "Run `heirloom db upgrade` once, before the API and the workers start.",
        )
    return wanted


def _check_serves(url: str, revision: str) -> None:
    """Demand that a newer version's database has all that this one reads: so it is while an upgrade rolls on."""
    from core.db import schema
    from core.db.session import Database

    with closing(Database(url, pool_size=1)) as database, database.read() as session:
        lacking = schema.missing(session)
    if lacking:
        raise SettingsError(
            f"A newer version of Heirloom made the database (revision {revision}); {lacking[0]} is not there any more.",
            "Install that version, or load the backup from before it.",
        )
    logs.get_logger(__name__).warning("database_is_newer", revision=revision)
