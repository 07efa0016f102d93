"""The conditioner `hpt`, Hyper Prompt Tuning: soft tokens before the sequence, masked by the tradeoff."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from moft.api import Conditioner, Injection, ModelSpec, NonNegative, Rank, Slot, Width, check_slots
from moft_conditioners.prefix_length import check_prefix_length

_SPREAD = 0.02  # standard deviation of an initial prefix without word embeddings to copy


class HyperPromptTuning(Conditioner):
    """A prefix `M(w) * P` for each row: trainable soft tokens P, times a low-rank mask that two small networks compute from w.

    The mask is `M(w) = 1 + A(w) B(w)`. P is initialised to embeddings of ordinary tokens if the model provides them. With a wide
    initialisation of the mask, tradeoffs have different prefixes from the first step, and LoRA learns to use them. Otherwise LoRA
    learns what serves all tradeoffs, and ignores the prefix. A prefix attracts attention, so that the model does not start
    exactly at the reference, unlike with modulation.

    Args:
        spec: of the model.
        tokens: length of the prefix, v; each token takes one position of the context.
        rank: rank of the mask, r; a larger value lets tradeoffs differ in more ways.
        width: units of the hidden layer of both networks.
        spread: initial standard deviation of the mask from one, over the vertices. 0 starts every tradeoff with P; a larger value
            separates tradeoffs faster.

    Raises:
        ConfigError: the model does not support a prefix, or has no space for it.

    Source: Ren et al. 2024 (COS-DPO), arXiv 2410.08316, hyper prompt tuning. The one in the mask and its wide initialisation are
    ours. The paper leaves tokens, rank and width open.
    """

    slots: frozenset[Slot] = frozenset({"prefix"})

    def __init__(
        self, spec: ModelSpec, *, tokens: Width = 8, rank: Rank = 4, width: Width = 64, spread: NonNegative = 4.0
    ) -> None:
        super().__init__()
        check_slots(spec, self.slots, "hpt")
        check_prefix_length(spec, tokens, "hpt")
        self._rank = rank
        self.prompt = nn.Parameter(_start(spec, tokens))  # [v, hidden]
        self.left = _network(spec.tradeoff_size, width, tokens * rank)
        self.right = _network(spec.tradeoff_size, width, rank * spec.hidden_size)
        weight, bias = self.right[-1].parameters()
        nn.init.normal_(weight)
        nn.init.zeros_(bias)
        with torch.no_grad():
            weight.mul_(spread / self._change(torch.eye(spec.tradeoff_size)).square().mean().sqrt())

    def forward(self, vector: Tensor) -> Injection:
        return Injection(prefix=(1 + self._change(vector)) * self.prompt)

    def formula(self) -> Mapping[str, Any]:
        return {"kind": "hpt", "rank": self._rank}

    def _change(self, vector: Tensor) -> Tensor:
        """`[batch, v, hidden]`, the mask minus one."""
        left: Tensor = self.left(vector).view(len(vector), -1, self._rank)  # [batch, v, r]
        right: Tensor = self.right(vector).view(len(vector), self._rank, -1)  # [batch, r, hidden]
        return left @ right


def _start(spec: ModelSpec, tokens: int) -> Tensor:
    """`[v, hidden]`, embeddings of random tokens of the model, or small noise if it provides none."""
    if spec.prefix_starts is None:
        return _SPREAD * torch.randn(tokens, spec.hidden_size, generator=torch.default_generator)
    rows = torch.randint(len(spec.prefix_starts), (tokens,), generator=torch.default_generator).to(spec.prefix_starts.device)
    return spec.prefix_starts[rows].detach().float().cpu()


def _network(inputs: int, width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, outputs))
