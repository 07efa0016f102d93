"""The conditioner `film`: feature-wise scales and shifts at the model's sites, from one small network."""

from __future__ import annotations

from torch import Tensor, nn

from moft import ConfigError
from moft.api import Conditioner, Injection, ModelSpec, NonNegative, Slot, Width
from moft_conditioners.initialisation import START
from moft_conditioners.modulation_sites import modulated_sites


class FiLM(Conditioner):
    """A scale and a shift at every site, computed from the tradeoff by a network with one hidden layer.

    With a wide initialisation, every tradeoff starts with a different random network, so that training does not have to separate
    the objectives first. A model that is a correction to the reference still starts at the reference, because its last layer is
    zero.

    Args:
        spec: of the model.
        width: units of the hidden layer, >= 1. A larger value allows a more complex dependence on the tradeoff.
        sites: the sites to modulate; null for the model's first and last. On rankers, these did as well as all sites.
        spread: initial standard deviation, approximately, of scales from one and of shifts from zero. 0 starts at the
            unconditioned model, as a pretrained model needs; a larger value separates tradeoffs faster.

    Raises:
        ConfigError: the model does not support modulation or has no site, or `sites` has an unknown site, one twice, or none.

    Source: Perez et al. 2018 (FiLM), arXiv 1709.07871, section 2; as a conditioner on loss weights: Dosovitskiy and Djolonga
    2020 (YOTO), section 3.
    """

    slots: frozenset[Slot] = frozenset({"modulation"})

    def __init__(self, spec: ModelSpec, *, width: Width = 32, sites: list[str] | None = None, spread: NonNegative = 1.0) -> None:
        super().__init__()
        known = modulated_sites(spec, "film")
        chosen = tuple(dict.fromkeys((known[0], known[-1]))) if sites is None else tuple(sites)
        unknown = [site for site in chosen if site not in known]
        if unknown:
            raise ConfigError(f"'film': unknown site {unknown[0]!r}. Sites of this model: {', '.join(known)}.")
        if not chosen or len(set(chosen)) != len(chosen):
            raise ConfigError(
                f"'film': sites must have at least one site and none twice, got {sites}. Sites of this model: {', '.join(known)}."
            )
        self._sites = chosen
        self.network = nn.Sequential(nn.Linear(spec.tradeoff_size, width), nn.GELU())
        self.last = nn.Linear(width, 2 * len(chosen) * spec.hidden_size)
        nn.init.normal_(self.last.weight, std=spread * START / width**0.5)
        nn.init.zeros_(self.last.bias)

    def forward(self, vector: Tensor) -> Injection:
        parts = self.last(self.network(vector)).chunk(2 * len(self._sites), dim=-1)  # each [batch, hidden]
        pairs = zip(parts[0::2], parts[1::2], strict=True)
        return Injection({site: (1 + scale, shift) for site, (scale, shift) in zip(self._sites, pairs, strict=True)})
