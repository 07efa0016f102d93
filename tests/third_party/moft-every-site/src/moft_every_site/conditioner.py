"""A shift at every site of the model."""

from torch import nn

from moft.api import Conditioner, Injection, check_slots


class EverySite(Conditioner):
    """A shift at each site, linear in the weights; all start at zero.

    Args:
        spec: of the model.
    """

    slots = frozenset({"modulation"})

    def __init__(self, spec):
        super().__init__()
        check_slots(spec, self.slots, "every-site")
        self._sites = spec.sites
        self.shifts = nn.ModuleList(nn.Linear(spec.tradeoff_size, spec.hidden_size, bias=False) for _ in spec.sites)
        for shift in self.shifts:
            nn.init.zeros_(shift.weight)

    def forward(self, vector):
        return Injection({site: (None, shift(vector)) for site, shift in zip(self._sites, self.shifts, strict=True)})
