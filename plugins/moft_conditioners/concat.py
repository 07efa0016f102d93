"""Concatenation of the tradeoff and the features, as a shift behind the first layer."""

from __future__ import annotations

from torch import Tensor, nn

from moft.api import Conditioner, Injection, ModelSpec, Slot
from moft_conditioners.modulation_sites import modulated_sites


class Concat(Conditioner):
    """What the first linear layer adds when the tradeoff w stands beside its features x: `W [x; w] = W_x x + W_w w`.

    It is the shift `W_w w` at the model's first site, behind its first linear layer: tradeoff_size x hidden_size
    parameters, and nothing else. W_w starts at zero, so that training starts at the unconditioned model.

    Args:
        spec: of the model.

    Raises:
        ConfigError: the model reads no modulation, or has no site.

    Source: Ren et al. 2024 (COS-DPO), arXiv 2410.08316, the conditioned ranker; the start at zero is not the paper's.
    """

    slots: frozenset[Slot] = frozenset({"modulation"})

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self._site = modulated_sites(spec, "concat")[0]
        self.shift = nn.Linear(spec.tradeoff_size, spec.hidden_size, bias=False)
        nn.init.zeros_(self.shift.weight)

    def forward(self, vector: Tensor) -> Injection:
        return Injection({self._site: (None, self.shift(vector))})
