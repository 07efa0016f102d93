"""Feature-wise modulation: scales and shifts at several sites, from one small network."""

from __future__ import annotations

from torch import Tensor, nn

from moft import ConfigError
from moft.api import Conditioner, Count, Injection, ModelSpec, Slot
from moft_conditioning.sites import modulated_sites


class FiLM(Conditioner):
    """A scale and a shift for every site, from the tradeoff through one hidden layer.

    The last layer starts at zero: scales start at one and shifts at zero, so that training starts at the unconditioned model.

    Args:
        spec: of the model.
        width: units of the hidden layer, >= 1. A larger value can bend the dependence on the tradeoff more.
        sites: the sites to modulate; None is all of the model's.

    Raises:
        ConfigError: the model reads no modulation or has no site, or a site is unknown, named twice, or none is left.

    Source: Perez et al. 2018 (FiLM), arXiv 1709.07871, section 2; as a conditioner on loss weights: Dosovitskiy and Djolonga
    2020 (YOTO), section 3.
    """

    slots: frozenset[Slot] = frozenset({"modulation"})

    def __init__(self, spec: ModelSpec, *, width: Count = 32, sites: list[str] | None = None) -> None:
        super().__init__()
        known = modulated_sites(spec, "film")
        chosen = known if sites is None else tuple(sites)
        unknown = [site for site in chosen if site not in known]
        if unknown:
            raise ConfigError(f"[conditioner] 'film': unknown site {unknown[0]!r}. This model's sites: {', '.join(known)}.")
        if not chosen or len(set(chosen)) != len(chosen):
            raise ConfigError(
                f"[conditioner] 'film': sites must name each site once, and at least one, got {sites}. "
                f"This model's sites: {', '.join(known)}."
            )
        self._sites = chosen
        self.network = nn.Sequential(nn.Linear(spec.tradeoff_size, width), nn.GELU())
        self.last = nn.Linear(width, 2 * len(chosen) * spec.hidden_size)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, vector: Tensor) -> Injection:
        parts = self.last(self.network(vector)).chunk(2 * len(self._sites), dim=-1)  # each [batch, hidden]
        pairs = zip(parts[0::2], parts[1::2], strict=True)
        return Injection({site: (1 + scale, shift) for site, (scale, shift) in zip(self._sites, pairs, strict=True)})
