"""The config that `moft new config llm` writes: the reader and the objectives from the data itself, every line explained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from itertools import chain
from os.path import commonprefix
from pathlib import Path
from typing import Any

from moft import ConfigError, DataError
from moft.api import ConfigRequest, objective_name, rendered_config, user_path
from moft_llm.data.files.dataset_files import data_files, rows, split_files
from moft_llm.data.files.file_formats import Row
from moft_llm.data.filtering import Faulty, filter_lists
from moft_llm.data.label_transforms import prefers
from moft_llm.data.preference_example import LIST_FORMAT, Example, Prompt
from moft_llm.data.readers.any_reader import ListReader
from moft_llm.data.readers.list_readers import Lists, PkuSafeRLHF, Rated, rated_columns
from moft_llm.data.readers.mapping.column_reader import Columns
from moft_llm.data.readers.mapping.known_layouts import known_mapping
from moft_llm.data.readers.pair_readers import HH, Pairs
from moft_llm.data.readers.transcripts import LAST
from moft_llm.data.splits import SPLITS, OpenedSplits, Shares, Splits, Stored, open_splits

TEMPLATE = Path(__file__).with_suffix(".yaml.j2")

PKU = {"prompt", "response_0", "response_1", "better_response_id", "safer_response_id"}
LAYOUTS = (
    f"lists ({LIST_FORMAT}), pairs (chosen, rejected and, where these are not chats, prompt), PKU-SafeRLHF, HH transcripts, "
    "rated responses (prompt, response and columns of numbers), UltraFeedback, HelpSteer2, Nectar, QA-Feedback, and KTO rows "
    "(prompt, completion, label)"
)

FEW = 1000
"""Training lists below which the config makes more than one pass."""

BINARY: Mapping[str, object] = {"loss": {"name": "listnet", "target": "sum"}}
"""The settings of an objective whose labels are 0 and 1: DPO."""

SINGLE: Mapping[str, object] = {"loss": "unpaired-logistic"}
"""Those of an objective whose labels say of single responses whether they are good."""

GRADED: Mapping[str, object] = {"transform": "standardise", "sharpness": 1.5}
"""Those of an objective with other labels."""

SHARES = (Shares(), Shares(train=0.6, validation=0.2, test=0.2))
"""Of few lists, the first may leave a split empty; then the second is tried, with as many seeds as the next number says."""

SEEDS = 1000

PREFERENCES = Stored(train="train_prefs", validation=0.1, test="test_prefs")
"""Splits of UltraFeedback and others, beside those for supervised training."""


@dataclass(frozen=True)
class Found:
    """What the data holds, and the settings that read it.

    Args:
        reader: of the rows.
        splits: that leave none empty.
        faulty: `refuse` where there is nothing to leave out.
        opened: the lists.
        least: responses of each; 1 where most prompts have one, which is labelled as good or bad.
    """

    reader: ListReader
    splits: Splits
    faulty: Faulty
    opened: OpenedSplits
    least: int = 2

    @property
    def objectives(self) -> list[str]:
        """The labels that prefer one response to another in some training list, or that single ones have, in their order."""
        names = dict.fromkeys(name for example in self.train for name in example.labels)
        return [name for name in names if self.count(name)]

    def count(self, name: str) -> int:
        """The training lists that a label says something of."""
        return sum(self.least == 1 or prefers(example, name) for example in self.train)

    @property
    def train(self) -> Sequence[Example]:
        """The training lists."""
        return self.opened.examples["train"]


def starting_config(request: ConfigRequest) -> str:
    """The text of a config that tunes a language model on a file, a folder or a dataset of the hub.

    Raises:
        ConfigError: labels are given, which the data names itself.
        DataError: the data cannot be read, is in no layout that moft knows, or prefers no response.
    """
    if request.labels:
        raise ConfigError("--label is for rankers; the task 'llm' takes the names of the labels from the data.")
    found = _found(request.data)
    if not found.objectives:
        raise DataError(f"{request.data}: no label prefers one response of a training list to another.")
    return rendered_config(TEMPLATE, _values(request, found))


def _found(data: str) -> Found:
    """The reader that fits the data, and the splits that it can be dealt into."""
    stored = _stored(data)
    first = next(iter(rows(data, None if stored is None else stored.stored["train"])), None)
    if first is None:
        raise DataError(f"{data}: holds no list.")
    reader = reader_of(data, first)
    names = [None] if stored is None else list(stored.stored.values())
    lists = [example for name in names for example in reader.examples(name)]
    least = least_responses(reader, lists)
    usable = filter_lists(lists, "drop", least=least)
    splits = _shares({example.prompt for example in usable.examples}) if stored is None else stored
    faulty: Faulty = "drop" if usable.notes else "refuse"
    return Found(reader, splits, faulty, open_splits(reader, splits, faulty, least=least), least)


def least_responses(reader: ListReader, lists: Sequence[Example]) -> int:
    """The responses that a prompt needs: one if rows say good or bad of one response, and most prompts have no second row."""
    is_single = isinstance(reader, Columns) and reader.response is not None
    return 1 if is_single and 2 * sum(len(example.responses) == 1 for example in lists) > len(lists) else 2


def reader_of(data: str, row: Row) -> ListReader:
    """The reader of rows like this one.

    Raises:
        DataError: there is none.
    """
    columns = row.values.keys()
    if {"prompt", "responses"} <= columns:
        return Lists(data)
    if columns >= PKU:
        return PkuSafeRLHF(data)
    if _is_transcript(row.values.get("chosen")) or isinstance(row.values.get("text"), list):
        return HH({"preferred": data})
    if {"chosen", "rejected"} <= columns and ("prompt" in columns or isinstance(row["chosen"], list)):
        return Pairs(data)
    if {"prompt", "response"} <= columns:
        return Rated(data, labels=rated_columns(list(rows(data))))
    if _begin_alike(row):
        return Pairs(data, prompt=None)
    if (mapping := known_mapping(data, row)) is not None:
        return mapping
    raise DataError(
        f"{row.where}: has {', '.join(map(str, columns)) or 'nothing'}, which is no layout of these: {LAYOUTS}. "
        "The reader columns takes any other, by a mapping."
    )


def _is_transcript(value: Any) -> bool:
    return isinstance(value, str) and LAST in value


def _begin_alike(row: Row) -> bool:
    """Whether a row has no text but `chosen` and `rejected`, which begin with the same words."""
    texts = {name: value for name, value in row.values.items() if isinstance(value, str)}
    return texts.keys() == {"chosen", "rejected"} and " " in commonprefix(list(texts.values())).strip(" ")  # noqa: RUF071


def _stored(data: str) -> Stored | None:
    """The splits of a folder with a file for each, or with those of preferences beside others; None for another folder."""
    folder = user_path(data)
    candidates = (Stored(), PREFERENCES) if folder.is_dir() else ()
    return next((stored for stored in candidates if _has_files(folder, stored.stored.values())), None)


def _has_files(folder: Path, splits: Iterable[str]) -> bool:
    try:
        return all(split_files(data_files(folder), folder, split) for split in splits)
    except DataError:
        return False


def _shares(prompts: Set[Prompt]) -> Shares:
    """Shares that give every split some of the prompts: the default ones, else larger ones, else those with another seed."""
    seeded = (replace(SHARES[-1], seed=seed) for seed in range(1, SEEDS if len(prompts) >= len(SPLITS) else 1))
    candidates = chain(SHARES, seeded)
    return next((shares for shares in candidates if {shares.of(prompt) for prompt in prompts} == set(SPLITS)), SHARES[0])


def _objective(label: str, is_binary: bool, found: Found) -> tuple[str, dict[str, object], int]:
    """Name and settings of the objective of a label, and the number of training lists that it says something of."""
    name = objective_name(label)
    settings: dict[str, object] = {} if name == label else {"label": label}
    how = SINGLE if found.least == 1 else BINARY if is_binary else GRADED
    return name, settings | dict(how), found.count(label)


def _values(request: ConfigRequest, found: Found) -> dict[str, object]:
    """What the template asks for."""
    train = found.train
    labels = (value for example in train for name in found.objectives for value in example.labels.get(name, ()))
    is_binary = all(value in (0.0, 1.0, None) for value in labels)
    return {
        "lists": ", ".join(f"{len(examples):,} {split}" for split, examples in found.opened.examples.items()),
        "model": request.model,
        "data": _settings(found.reader),
        "is_binary": is_binary,
        "is_single": found.least == 1,
        "objectives": [_objective(label, is_binary, found) for label in found.objectives],
        "training_lists": len(train),
        "splits": _settings(found.splits),
        "faulty": found.faulty,
        "is_chat": any(not isinstance(example.prompt, str) for example in train),
        "epochs": 3 if len(train) < FEW else 1,
    }


def _settings(record: ListReader | Splits) -> Mapping[str, Any]:
    """A record as a config gives it, with its name first and without defaults, except for the shares of splits."""
    kept = _kept(record)
    shares = {key: getattr(record, key) for key in SPLITS} if isinstance(record, Shares) else {}
    return {"name": vars(record)["name"], **shares, **kept}


def _kept(value: Any) -> Any:
    """A value of a config, its records as mappings without what is the default."""
    if is_dataclass(value):
        given = {field.name: getattr(value, field.name) for field in fields(value) if field.name != "name"}
        defaults = {field.name: field.default for field in fields(value)} | {
            field.name: field.default_factory() for field in fields(value) if field.default_factory is not MISSING
        }
        return {key: _kept(inner) for key, inner in given.items() if inner != defaults[key]}
    if isinstance(value, Mapping):
        return {key: _kept(inner) for key, inner in value.items()}
    return list(map(_kept, value)) if isinstance(value, list | tuple) else value
