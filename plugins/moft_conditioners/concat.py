"""The conditioner `concat`: the tradeoff concatenated to the features, as a shift after the first layer."""

from __future__ import annotations

from torch import Tensor, nn

from moft.api import Conditioner, Injection, ModelSpec, Slot
from moft_conditioners.modulation_sites import modulated_sites


class Concat(Conditioner):
    """Concatenates the tradeoff w to the input x of the first linear layer: `W [x; w] = W_x x + W_w w`.

    It is implemented as the shift `W_w w` at the model's first site, after its first linear layer, with
    tradeoff_size x hidden_size parameters. W_w is initialised to zero, so that training starts at the unconditioned model.

    Args:
        spec: of the model.

    Raises:
        ConfigError: the model does not support modulation, or has no site.

    Source: Ren et al. 2024 (COS-DPO), arXiv 2410.08316, the conditioned ranker; the initialisation to zero is not the paper's.
    """

    slots: frozenset[Slot] = frozenset({"modulation"})

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self._site = modulated_sites(spec, "concat")[0]
        self.shift = nn.Linear(spec.tradeoff_size, spec.hidden_size, bias=False)
        nn.init.zeros_(self.shift.weight)

    def forward(self, vector: Tensor) -> Injection:
        return Injection({self._site: (None, self.shift(vector))})
