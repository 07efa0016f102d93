"""The tokens of a split, all on the device, where batches are gathered without work on the host."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Generator, Tensor

from moft.api import Batch, Batches, length_grouped
from moft_llm.data.text_batch import TextBatch
from moft_llm.data.tokenization import TokenizedLists


@dataclass(frozen=True, eq=False)
class TokenDataset:
    """Tokens, labels and reference scores of a split.

    Args:
        tokens: `[tokens]` int32, on the device; list after list: the prompt, then its responses.
        segments: `[tokens]` int32, on the device: 0 for the prompt, k for response k of its list.
        labels: `[items, m]`, on the device.
        mask: `[items, m]` bool, on the device.
        reference: `[items]` float32, on the device; zero until `fill` is called.
        starts: `[lists]` int64, first token of each list, on the CPU.
        lengths: `[lists]` int64, tokens of each list, on the CPU.
        firsts: `[lists]` int64, first item of each list, on the CPU.
        sizes: `[lists]` int64, items of each list, on the CPU.
        longest: `[lists]` int64, tokens of each prompt with its longest response, on the CPU.
        scorer_prompts: the prompt of each list as scorers read it.
        leading_space: spaces before every response.
        opening: the block that every prompt opens.
        max_shared_tokens: the model separates a batch with a longer list into one row of prompt and response per item; None
            where it never does.
    """

    tokens: Tensor
    segments: Tensor
    labels: Tensor
    mask: Tensor
    reference: Tensor
    starts: Tensor
    lengths: Tensor
    firsts: Tensor
    sizes: Tensor
    longest: Tensor
    scorer_prompts: tuple[str, ...]
    leading_space: str
    opening: str
    max_shared_tokens: int | None

    def batch(self, lists: Tensor, budget: int) -> TextBatch:
        """The lists numbered `lists`, `[batch]` int64, padded to the longest of them.

        Inputs are `tokens` and `segments`, `[batch, time]` int64, and `items`, `[batch, list]` bool. Padding has segment -1.

        Args:
            lists: of the split.
            budget: tokens of one forward pass, which limits how many tradeoffs it computes at once.
        """
        device = self.tokens.device
        places, inside = _places(self.starts[lists], self.lengths[lists], device)  # [batch, time]
        slots, items = _places(self.firsts[lists], self.sizes[lists], device)  # [batch, list]
        rows, width = self._rows(lists)
        return TextBatch(
            inputs={
                "tokens": self.tokens[places].long().masked_fill(~inside, 0),
                "segments": self.segments[places].long().masked_fill(~inside, -1),
                "items": items,
            },
            labels=self.labels[slots].masked_fill(~items.unsqueeze(-1), 0.0),
            mask=self.mask[slots] & items.unsqueeze(-1),
            reference=self.reference[slots].masked_fill(~items, 0.0),
            items=items,
            main=self.reference.new_zeros(items.shape),
            lists=lists.to(device),
            rows=max(1, budget // (int(rows.max()) * width)),
            scorer_prompts=tuple(self.scorer_prompts[index] for index in lists.tolist()),
            leading_space=self.leading_space,
            opening=self.opening,
        )

    def batches(self, budget: int, generator: Generator | None = None) -> Batches:
        """One pass in length-grouped batches of at most `budget` tokens, padding included; a longer list is a batch of its own.

        Tokens are those of a forward pass: where lists are separated, a prompt counts once for each of its responses.
        """
        if self.max_shared_tokens is None:
            return Batches(length_grouped(self.lengths, budget, generator), partial(self.batch, budget=budget))
        alone = torch.where(self.lengths > self.max_shared_tokens, self.sizes * self.longest, self.lengths)  # [lists]
        plan = [part for lists in length_grouped(alone, budget, generator) for part in self._parts(lists, budget)]
        return Batches(plan, partial(self.batch, budget=budget))

    def fill(self, scores: Tensor, batch: Batch) -> None:
        """Stores the reference scores of a batch, `[batch, list]`."""
        slots, items = _places(self.firsts[batch.lists.cpu()], self.sizes[batch.lists.cpu()], self.reference.device)
        self.reference[slots[items]] = scores.detach()[items].to(self.reference)

    def _rows(self, lists: Tensor) -> tuple[Tensor, int]:
        """`[batch]` int64, the rows of a forward pass that each of these lists takes, and the tokens of a row."""
        lengths, sizes = self.lengths[lists], self.sizes[lists]
        if self.max_shared_tokens is None or int(lengths.max()) <= self.max_shared_tokens:
            return torch.ones_like(sizes), int(lengths.max())
        return sizes, int(self.longest[lists].max())

    def _parts(self, lists: Tensor, budget: int) -> list[Tensor]:
        """A batch in as few parts as the budget needs: a long list makes the model separate and pad all others in its batch."""
        starts = [0]
        for end in range(2, len(lists) + 1):
            rows, width = self._rows(lists[starts[-1] : end])
            if end - starts[-1] > 1 and int(rows.sum()) * width > budget:
                starts.append(end - 1)
        return [lists[start:end] for start, end in pairwise([*starts, len(lists)])]


def token_dataset_of(data: TokenizedLists, device: torch.device, max_shared_tokens: int | None = None) -> TokenDataset:
    """The dataset of some lists; its reference scores are zero.

    Args:
        data: the lists.
        device: where tokens and labels are kept.
        max_shared_tokens: the most tokens of a list whose responses share a row; 0 where none do, None where all do.
    """
    pieces = torch.ones(len(data), dtype=torch.int64) + data.sizes  # [lists], prompt and responses
    owner = torch.repeat_interleave(torch.arange(len(data)), pieces)
    number = torch.arange(len(owner)) - (pieces.cumsum(0) - pieces)[owner]  # 0 for prompts, then 1, 2, ...
    lengths = torch.empty(len(owner), dtype=torch.int64)
    lengths[number == 0] = data.prompt_lengths
    lengths[number > 0] = data.response_lengths
    rows, lists = data.lengths, torch.repeat_interleave(torch.arange(len(data)), data.sizes)
    return TokenDataset(
        tokens=data.tokens.to(device),
        segments=torch.repeat_interleave(number.int(), lengths).to(device),
        labels=data.labels.to(device),
        mask=data.mask.to(device),
        reference=torch.zeros(len(data.response_lengths), device=device),
        starts=rows.cumsum(0) - rows,
        lengths=rows,
        firsts=data.sizes.cumsum(0) - data.sizes,
        sizes=data.sizes,
        longest=data.prompt_lengths + torch.zeros_like(rows).scatter_reduce(0, lists, data.response_lengths, "amax"),
        scorer_prompts=data.scorer_prompts,
        leading_space=data.leading_space,
        opening=data.opening,
        max_shared_tokens=max_shared_tokens,
    )


def _places(starts: Tensor, lengths: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """`[k, longest]` twice: the places of runs that begin at `starts`, and whether each is within its run's length."""
    offsets = torch.arange(int(lengths.max()), device=device)
    starts, lengths = starts.to(device).unsqueeze(1), lengths.to(device).unsqueeze(1)
    return starts + offsets.minimum(lengths - 1), offsets < lengths
