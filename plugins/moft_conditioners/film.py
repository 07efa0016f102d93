"""Feature-wise modulation: scales and shifts at several sites, from one small network."""

from __future__ import annotations

from torch import Tensor, nn

from moft import ConfigError
from moft.api import Conditioner, Count, Injection, ModelSpec, NonNegative, Slot
from moft_conditioners.initialisation import START
from moft_conditioners.modulation_sites import modulated_sites


class FiLM(Conditioner):
    """A scale and a shift for every site, from the tradeoff through one hidden layer.

    A wide start gives every tradeoff a random network of its own from the first step on, so that what one objective needs does
    not have to be pulled apart from what the others need; a model that is a correction to a reference starts at the reference
    all the same, because its last layer is zero.

    Args:
        spec: of the model.
        width: units of the hidden layer, >= 1. A larger value can bend the dependence on the tradeoff more.
        sites: the sites to modulate; null for the model's first and last, which on rankers did as well as all of them for less.
        spread: how far scales lie from one, and shifts from zero, at the start, in about standard deviations. 0 starts at the
            unconditioned model, as a pretrained one needs; a larger value separates tradeoffs faster.

    Raises:
        ConfigError: the model reads no modulation or has no site, or a site is unknown, named twice, or none is left.

    Source: Perez et al. 2018 (FiLM), arXiv 1709.07871, section 2; as a conditioner on loss weights: Dosovitskiy and Djolonga
    2020 (YOTO), section 3.
    """

    slots: frozenset[Slot] = frozenset({"modulation"})

    def __init__(self, spec: ModelSpec, *, width: Count = 32, sites: list[str] | None = None, spread: NonNegative = 1.0) -> None:
        super().__init__()
        known = modulated_sites(spec, "film")
        chosen = tuple(dict.fromkeys((known[0], known[-1]))) if sites is None else tuple(sites)
        unknown = [site for site in chosen if site not in known]
        if unknown:
            raise ConfigError(f"'film': unknown site {unknown[0]!r}. This model's sites: {', '.join(known)}.")
        if not chosen or len(set(chosen)) != len(chosen):
            raise ConfigError(
                f"'film': sites must name each site once, and at least one, got {sites}. This model's sites: {', '.join(known)}."
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
