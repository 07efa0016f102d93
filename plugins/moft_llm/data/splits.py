"""Train, validation and test splits: by a hash of the prompt, or as the data stores them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from annotated_types import Gt, Lt, MinLen

from moft import ConfigError, DataError
from moft.api import Positive, Reader, Seed
from moft_llm.data.chat.messages import Prompt, ToolPrompt, messages_in, plain_prompt
from moft_llm.data.filtering import Faulty, FilteredLists, filter_lists
from moft_llm.data.preference_example import Example
from moft_llm.data.readers.any_reader import examples_of

SPLITS = ("train", "validation", "test")
_SEEDS_TRIED = 1000


Share = Annotated[float, Gt(0), Lt(1)]


@dataclass(frozen=True)
class Shares:
    """Divides prompts by a hash: a prompt is in one split only, and stays in it when prompts are added.

    Args:
        train: share of the prompts to train on; shares need not sum to 1, so 8, 1 and 1 are 80 %, 10 % and 10 %.
        validation: share that the best checkpoint is selected on.
        test: share that is held out.
        seed: another one gives other splits.
    """

    train: Positive = 0.8
    validation: Positive = 0.1
    test: Positive = 0.1
    seed: Seed = 0
    name: Literal["shares"] = "shares"

    def of(self, prompt: Prompt) -> str:
        """The split of a prompt."""
        content: Any = prompt
        if not isinstance(prompt, str):
            turns = messages_in(prompt)
            content = [[turn.role, turn.content, turn.more] if turn.more else [turn.role, turn.content] for turn in turns]
            content += [prompt.tools] if isinstance(prompt, ToolPrompt) else []
        digest = hashlib.sha256(f"{self.seed}:{json.dumps(content)}".encode()).digest()
        place = int.from_bytes(digest[:8], "big") / 2**64 * (self.train + self.validation + self.test)
        if place < self.train:
            return "train"
        return "validation" if place < self.train + self.validation else "test"


@dataclass(frozen=True)
class Stored:
    """Takes the splits of the data: files called train, validation and test in a folder, or the splits of a hub dataset.

    Args:
        train: its name in the data, such as `train_prefs`; null for `train`.
        validation: its name in the data; or a share of the prompts of the training split, which are taken out of it by a hash.
            Null for `validation`.
        test: likewise.
    """

    train: Annotated[str, MinLen(1)] | None = None
    validation: Annotated[str, MinLen(1)] | Share | None = None
    test: Annotated[str, MinLen(1)] | Share | None = None
    name: Literal["stored"] = "stored"

    def __post_init__(self) -> None:
        if self.shares.train <= 0:
            raise ConfigError(
                "[task.splits] validation and test take all of the training split; their shares must sum to less than 1."
            )
        names = list(self.stored.values())
        if len(set(names)) < len(names):
            raise ConfigError(
                f"[task.splits] two splits are {next(name for name in names if names.count(name) > 1)!r}; they must differ."
            )

    @property
    def stored(self) -> Mapping[str, str]:
        """Names in the data, by split."""
        given = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: name or split for split, name in given.items() if not isinstance(name, float)}

    @property
    def shares(self) -> Shares:
        """How the prompts of the training split are divided."""
        validation, test = (value if isinstance(value, float) else 0.0 for value in (self.validation, self.test))
        return Shares(1 - validation - test, validation, test)


Splits = Shares | Stored


@dataclass(frozen=True)
class OpenedSplits:
    """The prompts of every split.

    Args:
        examples: by split.
        notes: what was left out and what users must know, in sentences.
    """

    examples: Mapping[str, tuple[Example, ...]]
    notes: tuple[str, ...]


def open_splits(data: Reader, splits: Splits, faulty: Faulty, *, is_whole: bool = True, least: int = 2) -> OpenedSplits:
    """The prompts of every split, each split with at least one.

    Args:
        data: reads prompts.
        splits: how they are divided.
        faulty: `refuse` or `drop` empty and repeated responses, and prompts with fewer than two.
        least: responses that a prompt needs, 1 or 2.
        is_whole: False leaves only role and content of messages, and blank prompts, as moft 0.2.0 did.

    Raises:
        DataError: the data is malformed, lacks a split, or leaves one empty.
    """
    divided: dict[str, list[Example]]
    if isinstance(splits, Stored):
        stored = {
            split: filter_lists(_examples(data, name, is_whole), faulty, keeps_blank=not is_whole, least=least)
            for split, name in splits.stored.items()
        }
        divided = {split: [*stored[split].examples] if split in stored and split != "train" else [] for split in SPLITS}
        for example in stored["train"].examples:
            divided[splits.shares.of(example.prompt)].append(example)
        examples = {split: tuple(part) for split, part in divided.items()}
        left = FilteredLists(
            (),
            *(
                sum(getattr(filtered, what) for filtered in stored.values())
                for what in ("empty", "repeated", "short", "blank", "calls")
            ),
        )
        notes = (*left.notes, *_shared(examples))
    else:
        filtered = filter_lists(_examples(data, None, is_whole), faulty, keeps_blank=not is_whole, least=least)
        divided = {split: [] for split in SPLITS}
        for example in filtered.examples:
            divided[splits.of(example.prompt)].append(example)
        examples, notes = {split: tuple(part) for split, part in divided.items()}, filtered.notes
    empty = next((split for split, part in examples.items() if not part), None)
    if empty is not None:
        total = sum(map(len, examples.values()))
        if not total:
            raise DataError("[task.data] has no prompt that can be trained on.")
        problem = f"[task.data] the {empty} split has none of the {total} prompts; each split needs at least one"
        raise DataError(f"{problem}. {_remedy(splits, [example.prompt for part in examples.values() for example in part])}")
    return OpenedSplits(examples, notes)


def _examples(data: Reader, split: str | None, is_whole: bool) -> Iterator[Example]:
    examples = examples_of(data, split)
    return examples if is_whole else (replace(example, prompt=plain_prompt(example.prompt)) for example in examples)


def _remedy(splits: Splits, prompts: Sequence[Prompt]) -> str:
    """What to do about an empty split."""
    if isinstance(splits, Stored):
        return "Add a prompt to it, enlarge its share, or set task.splits: shares."
    for seed in range(_SEEDS_TRIED if len(set(prompts)) >= len(SPLITS) else 0):
        if {replace(splits, seed=seed).of(prompt) for prompt in prompts} == set(SPLITS):
            return f"Set task.splits.seed={seed}, which gives every split some, or enlarge the smaller shares."
    return "Add other prompts: all responses to one prompt are in one split."


def _shared(examples: Mapping[str, Sequence[Example]]) -> tuple[str, ...]:
    """A sentence for each two splits that share prompts; white space around a prompt does not make another one of it."""
    prompts = {split: [_stripped(example.prompt) for example in examples[split]] for split in SPLITS}
    notes = []
    for split, other in (("validation", "train"), ("test", "train"), ("test", "validation")):
        known = set(prompts[other])
        if count := sum(prompt in known for prompt in prompts[split]):
            name = "training" if other == "train" else other
            notes.append(f"data: {count} of {len(prompts[split])} {split} prompts are also in the {name} split.")
    return tuple(notes)


def _stripped(prompt: Prompt) -> Prompt:
    """A prompt without white space around its text."""
    return prompt.strip() if isinstance(prompt, str) else prompt
