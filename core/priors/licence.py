"""What a prior may be used for, and who has to have read it."""

from core.domain.errors import SettingsError
from core.priors.spec import PriorSpec


def licence_line(spec: PriorSpec) -> str:
    """A prior and its licence in one line, as it is said at every start."""
    use = "commercial use allowed" if spec.commercial_use else "no commercial use"
    return f"{spec.name}, {spec.resolution} px, {use}: {spec.licence}"


def check_licence(spec: PriorSpec, *, embedded: bool, accepted: bool) -> None:
    """Refuse to serve others with a prior that is for research only, unless the operator says that it is known.

    Args:
        spec: the prior.
        embedded: one person's own machine; nothing has to be said there.
        accepted: HEIRLOOM_ACCEPT_RESEARCH_PRIOR.

    Raises:
        SettingsError: it is not.
    """
    if spec.commercial_use or embedded or accepted:
        return
    raise SettingsError(
        f"The prior {spec.name} allows no commercial use, and this is the server mode: {spec.licence}",
        "Set HEIRLOOM_ACCEPT_RESEARCH_PRIOR=1 if yours is within that licence, or HEIRLOOM_PRIOR to another prior.",
    )
