"""Which sites of a model a conditioner may modulate."""

from __future__ import annotations

from moft import ConfigError
from moft.api import ModelSpec


def modulated_sites(spec: ModelSpec, name: str) -> tuple[str, ...]:
    """The model's sites, once it is known that there are some.

    Args:
        spec: of the model.
        name: the conditioner's registered name, for the message.

    Raises:
        ConfigError: the model reads no modulation, or has no site.
    """
    if "modulation" not in spec.slots or not spec.sites:
        slots, sites = ", ".join(sorted(spec.slots)) or "none", ", ".join(spec.sites) or "none"
        raise ConfigError(
            f"{name!r} fills the slot 'modulation', which {spec.name} cannot read (its slots: {slots}; its sites: "
            f"{sites}): choose a conditioner for one of its slots."
        )
    return spec.sites
