"""The priors as `/v1/priors` lists them."""

from pathlib import Path

from api.schemas.system import PriorList, PriorOut
from api.service import Service
from core.domain.errors import HeirloomError
from core.priors.catalog import CATALOG, CatalogEntry
from core.priors.locate import describe_prior, installed_priors, locate_prior
from core.priors.spec import PRIOR_FILE, WEIGHTS_FILE


def known_priors(service: Service) -> PriorList:
    """First the active one, then those on this machine, then what could be pulled.

    Raises:
        PriorUnavailableError: the active prior is not on this machine.
        PriorError: its description is wrong.
    """
    active, home = service.settings.prior, service.settings.home
    listed = [PriorOut.of(service.offer.prior, active=True, size_bytes=_size(active, home), name=active)]
    seen = {active}
    for name in ["starter", *installed_priors(home)]:
        entry = _installed(name, home) if name not in seen else None
        if entry is not None:
            listed.append(entry)
            seen.add(name)
    listed += [_offered(name, entry) for name, entry in CATALOG.items() if name not in seen]
    return PriorList(data=listed)


def _installed(name: str, home: Path) -> PriorOut | None:
    """One on this machine; folders as diffusers publishes them would have to be hashed first, which takes minutes."""
    try:
        if not (locate_prior(name, home) / PRIOR_FILE).is_file():
            return None
        return PriorOut.of(describe_prior(name, home), active=False, size_bytes=_size(name, home), name=name)
    except HeirloomError:  # a broken one cannot be used, and `heirloom doctor` says why
        return None


def _size(name: str, home: Path) -> int | None:
    weights = locate_prior(name, home) / WEIGHTS_FILE
    return weights.stat().st_size if weights.is_file() else None


def _offered(name: str, entry: CatalogEntry) -> PriorOut:
    return PriorOut(
        name=name,
        active=False,
        installed=False,
        category=entry.category,
        resolution=entry.resolution,
        noise_steps=None,
        licence=entry.licence,
        commercial_use=entry.commercial_use,
        sha256=next((file.sha256 for file in entry.files if file.sha256 is not None), None),
        size_bytes=entry.needs.disk_bytes,
        source=entry.page,
    )
