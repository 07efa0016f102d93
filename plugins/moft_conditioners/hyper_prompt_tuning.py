"""Hyper Prompt Tuning: soft tokens before the sequence, masked by the tradeoff."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from moft.api import Conditioner, Count, Injection, ModelSpec, NonNegative, Slot, check_slots
from moft_conditioners.prefix_length import check_prefix_length

_SPREAD = 0.02  # of a prefix that has no word embeddings to start from


class HyperPromptTuning(Conditioner):
    """A prefix `M(w) * P` for each row: trainable soft tokens P, times a mask of low rank that two small networks make of w.

    `M(w) = 1 + A(w) B(w)`. P starts at embeddings of ordinary tokens where the model offers them. A wide start of the mask gives
    every tradeoff a prefix of its own from the first step on: adapters beneath learn at once to tell tradeoffs apart, where they
    would otherwise learn what serves all of them and leave the prefix unread. A prefix takes attention, so the model does not
    start exactly at the reference, unlike with the conditioners that modulate.

    Args:
        spec: of the model.
        tokens: length of the prefix, v; each costs one position of the context.
        rank: of the mask, r; a larger value lets tradeoffs differ in more ways.
        width: units of the hidden layer of both networks.
        spread: how far the mask lies from one at the start, in standard deviations over the objectives' vertices. 0 starts every
            tradeoff with P; a larger value separates tradeoffs faster.

    Raises:
        ConfigError: the model reads no prefix, or has no room for it.

    Source: Ren et al. 2024 (COS-DPO), arXiv 2410.08316, hyper prompt tuning. The one in the mask and its wide start are
    ours. The paper leaves tokens, rank and width open.
    """

    slots: frozenset[Slot] = frozenset({"prefix"})

    def __init__(
        self, spec: ModelSpec, *, tokens: Count = 8, rank: Count = 4, width: Count = 64, spread: NonNegative = 4.0
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

    def _change(self, vector: Tensor) -> Tensor:
        """`[batch, v, hidden]`, the mask less one."""
        left: Tensor = self.left(vector).view(len(vector), -1, self._rank)  # [batch, v, r]
        right: Tensor = self.right(vector).view(len(vector), self._rank, -1)  # [batch, r, hidden]
        return left @ right


def _start(spec: ModelSpec, tokens: int) -> Tensor:
    """`[v, hidden]`, embeddings of tokens drawn from those of the model, or small noise."""
    if spec.prefix_starts is None:
        return _SPREAD * torch.randn(tokens, spec.hidden_size, generator=torch.default_generator)
    rows = torch.randint(len(spec.prefix_starts), (tokens,), generator=torch.default_generator).to(spec.prefix_starts.device)
    return spec.prefix_starts[rows].detach().float().cpu()


def _network(inputs: int, width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, outputs))
