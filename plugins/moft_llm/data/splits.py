"""Which lists are trained on, validated on and tested on: dealt by a hash of the prompt, or as the data stores them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from moft import DataError
from moft.api import NonNegativeCount, Positive
from moft_llm.data.example import Example, Prompt
from moft_llm.data.filtering import Faulty, Usable, usable
from moft_llm.data.list_readers import Reader

SPLITS = ("train", "validation", "test")
_SEEDS_TRIED = 1000


@dataclass(frozen=True)
class Shares:
    """Lists are dealt by a hash of their prompt: a prompt stands in one split only, and in the same one when lists are added.

    Args:
        train: share of the prompts to train on, in any unit; 8, 1 and 1 are 80 %, 10 % and 10 %.
        validation: share that the best checkpoint is chosen on.
        test: share that is held out.
        seed: another one deals otherwise.
    """

    train: Positive = 0.8
    validation: Positive = 0.1
    test: Positive = 0.1
    seed: NonNegativeCount = 0
    name: Literal["shares"] = "shares"

    def of(self, prompt: Prompt) -> str:
        """The split of a prompt."""
        content = prompt if isinstance(prompt, str) else [[message.role, message.content] for message in prompt]
        digest = hashlib.sha256(f"{self.seed}:{json.dumps(content)}".encode()).digest()
        place = int.from_bytes(digest[:8], "big") / 2**64 * (self.train + self.validation + self.test)
        if place < self.train:
            return "train"
        return "validation" if place < self.train + self.validation else "test"


@dataclass(frozen=True)
class Stored:
    """Splits as the data has them: a file for each in a folder, called train, validation and test, or those of the hub."""

    name: Literal["stored"] = "stored"


Splits = Shares | Stored


@dataclass(frozen=True)
class OpenedSplits:
    """The lists of every split.

    Args:
        examples: by split.
        notes: what was left out and what a reader has to know, in sentences.
    """

    examples: Mapping[str, tuple[Example, ...]]
    notes: tuple[str, ...]


def open_splits(data: Reader, splits: Splits, faulty: Faulty) -> OpenedSplits:
    """The lists of every split, each split with at least one.

    Args:
        data: where lists come from.
        splits: how they are divided.
        faulty: `refuse` or `drop` responses without text, repeats, and lists of fewer than two.

    Raises:
        DataError: the data has a fault, lacks a split, or leaves one empty.
    """
    if isinstance(splits, Stored):
        stored = {split: usable(data.examples(split), faulty) for split in SPLITS}
        examples = {split: found.examples for split, found in stored.items()}
        left = Usable((), *(sum(getattr(found, what) for found in stored.values()) for what in ("empty", "repeated", "short")))
        notes = (*left.notes, *_shared(examples))
    else:
        found = usable(data.examples(), faulty)
        dealt: dict[str, list[Example]] = {split: [] for split in SPLITS}
        for example in found.examples:
            dealt[splits.of(example.prompt)].append(example)
        examples, notes = {split: tuple(part) for split, part in dealt.items()}, found.notes
    empty = next((split for split, part in examples.items() if not part), None)
    if empty is not None:
        total = sum(map(len, examples.values()))
        if not total:
            raise DataError("[task.data] holds no list that can be learned from.")
        told = f"[task.data] no list falls into the {empty} split, of {total} lists in all; each split needs one"
        raise DataError(f"{told}: {_remedy(splits, [example.prompt for part in examples.values() for example in part])}")
    return OpenedSplits(examples, notes)


def _remedy(splits: Splits, prompts: Sequence[Prompt]) -> str:
    """What to do about a split without lists."""
    if isinstance(splits, Stored):
        return "put a list that can be learned from into it, or let shares deal them, by task.splits: shares."
    for seed in range(_SEEDS_TRIED if len(set(prompts)) >= len(SPLITS) else 0):
        if {replace(splits, seed=seed).of(prompt) for prompt in prompts} == set(SPLITS):
            return f"task.splits.seed={seed} gives every split some, and so may larger shares of the small ones."
    return "add lists with other prompts, since one prompt stands in one split only."


def _shared(examples: Mapping[str, Sequence[Example]]) -> tuple[str, ...]:
    """A sentence for each split that is measured on and holds prompts which are trained on."""
    seen = {example.prompt for example in examples["train"]}
    counts = {split: sum(example.prompt in seen for example in examples[split]) for split in SPLITS[1:]}
    return tuple(
        f"data: {count} of {len(examples[split])} {split} lists have a prompt that is trained on."
        for split, count in counts.items()
        if count
    )
