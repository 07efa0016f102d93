"""The sites of a model that a conditioner can modulate, with an error for models without."""

from __future__ import annotations

from moft import ConfigError
from moft.api import ModelSpec


def modulated_sites(spec: ModelSpec, name: str) -> tuple[str, ...]:
    """The model's sites.

    Args:
        spec: of the model.
        name: the conditioner's registered name, for the message.

    Raises:
        ConfigError: the model does not support modulation, or has no site.
    """
    if "modulation" not in spec.slots or not spec.sites:
        slots, sites = ", ".join(sorted(spec.slots)) or "none", ", ".join(spec.sites) or "none"
        raise ConfigError(
            f"{name!r} fills the slot 'modulation', which {spec.name} cannot read (its slots: {slots}; its sites: {sites}); "
            "choose a conditioner for one of its slots."
        )
    return spec.sites
