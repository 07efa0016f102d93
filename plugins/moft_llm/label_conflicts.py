"""What `moft data describe` prints of preference data: sizes, labels, and how far the objectives pull apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from rich.console import RenderableType
from torch import Tensor

from moft import ConfigError, DataError
from moft.api import (
    Batch,
    LabelledLists,
    Loss,
    Nouns,
    Objective,
    ObjectiveLosses,
    Plugins,
    agreement_table,
    batches_of,
    component,
    conflict_report,
    report_table,
    user_path,
)
from moft_llm.data.files.dataset_files import data_files, rows
from moft_llm.data.files.file_formats import form_of
from moft_llm.data.filtering import filter_lists
from moft_llm.data.label_transforms import TextLabel, has_preference, prefers
from moft_llm.data.preference_example import Example
from moft_llm.data.shown_lists import shown_lists, tie_lines
from moft_llm.preference_evaluator import Preference
from moft_llm.starting_config import BINARY, GRADED, least_responses, reader_of

MAX_PROMPTS = 500
"""Conflicts are measured on at most this many prompts, evenly spaced over the data."""

BUDGET = 2048
NOUNS = Nouns("prompt", "response")
NO_BASE = (
    "No base model is loaded: rewards are measured against it, so it has the accuracy of a random order, 0.5, by definition."
)


def describe_data(path: str, plugins: Plugins) -> list[RenderableType] | None:
    """Tables and sentences to print; None if the data is not of prompts with responses.

    Args:
        path: a file or a folder.
        plugins: which offer the loss.

    Raises:
        DataError: the data is malformed.
    """
    if not _is_preference_data(path):
        return None
    first = next(iter(rows(path)), None)
    if first is None:
        raise DataError(f"{path}: holds no prompt.")
    reader = reader_of(path, first)
    examples = list(reader.examples())
    found = filter_lists(examples, "drop", least=least_responses(reader, examples))
    if not found.examples:
        raise DataError(f"{path}: has no prompt with two responses or more.")
    return described_examples(user_path(path).name, found.examples, found.notes, plugins)


def described_examples(title: str, examples: Sequence[Example], notes: Sequence[str], plugins: Plugins) -> list[RenderableType]:
    """The first lists in full, their sizes and labels, and how far the objectives pull apart.

    Args:
        title: what the data is called.
        examples: checked, at least one.
        notes: sentences on what was left out.
        plugins: which offer the loss.
    """
    names = list(dict.fromkeys(name for example in examples for name in example.labels))
    tables = [*_tables(title, examples, names), *tie_lines(examples, names), *notes]
    return [*shown_lists(examples), *tables, *_page(examples, names, plugins)]


def evenly_spaced(examples: Sequence[Example], most: int) -> list[Example]:
    """At most so many examples, from all over the data."""
    return [examples[place] for place in np.unique(np.linspace(0, len(examples) - 1, most).astype(int))]


def net_wins(batch: Batch) -> Tensor:
    """`[batch, list, m]`: the responses that one is better than minus those that are better, over all ordered pairs.

    The order by one column has the best accuracy. That by a sum of columns has a high one, as a Borda count.
    """
    labels, mask = batch.labels.transpose(1, 2), batch.mask.transpose(1, 2)  # [batch, m, list]
    both = mask.unsqueeze(-1) & mask.unsqueeze(-2)
    signs = (labels.unsqueeze(-1) - labels.unsqueeze(-2)).sign() * both
    return (signs.sum(-1) / (signs.abs().sum((-2, -1)) / 2).clamp(min=1).unsqueeze(-1)).transpose(1, 2).double()


def _page(examples: Sequence[Example], names: Sequence[str], plugins: Plugins) -> Iterator[RenderableType]:
    """The agreement of the labels and the page on conflicts."""
    used = [name for name in names if any(prefers(example, name) for example in examples)]
    silent = [f"{name} orders no responses to a prompt, so it is left out." for name in names if name not in used]
    if len(used) < 2:
        yield "Conflicts cannot be shown: fewer than two labels order responses."
        yield from silent
        return
    chosen = evenly_spaced(examples, MAX_PROMPTS)
    is_binary = all(value in (0.0, 1.0, None) for each in examples for name in used for value in each.labels.get(name, ()))
    setting = BINARY if is_binary else GRADED
    how = component(TextLabel, {name: value for name, value in setting.items() if name != "loss"}, plugins)
    loss = component(Loss, setting.get("loss", "listnet"), plugins)
    objectives = tuple(Objective(name) for name in used)
    batches = batches_of([_list(each, used, how) for each in chosen], budget=BUDGET, device=torch.get_default_device())
    report = conflict_report(
        LabelledLists(
            ObjectiveLosses(objectives, loss),
            [True] * len(used),
            batches,
            batches,
            False,
            Preference(objectives, None, loss=loss),
            net_wins,
            NOUNS,
        )
    )
    whole = NOUNS.count_lists(len(examples))
    sample = whole if len(chosen) == len(examples) else f"{len(chosen)} of {whole}"
    conflicts = report.conflicts
    title = "Agreement (Kendall's tau-b)"
    yield agreement_table(title, used, conflicts.mean_tau(), conflicts.lists)
    yield f"1: same order, -1: opposite order; mean over those of {sample} in which both labels order responses"
    yield ""
    kind = "listnet with target: sum" if is_binary else "listnet on labels with transform: standardise and sharpness: 1.5"
    metric = f"Accuracy: the share of ordered pairs of responses in the right order, ties half; mean over {sample}."
    method = f"method: cos-dpo with the loss {kind}, as `moft new config llm` writes it."
    yield from report.parts(sample, kind, metric, NO_BASE, [method, *silent])


def _list(example: Example, names: Sequence[str], how: TextLabel) -> dict[str, object]:
    """The transformed labels of a prompt, as a list for batches; NaN where a response has none."""
    count = len(example.responses)
    raw = [[np.nan if value is None else value for value in example.labels.get(name, (None,) * count)] for name in names]
    labels = torch.tensor(raw, dtype=torch.float64)  # [m, list]
    mask = ~labels.isnan()
    mask &= has_preference(labels.nan_to_num(0.0), mask)  # all equal counts as not labelled, as in training
    changed = how.transformed(labels.nan_to_num(0.0), mask).masked_fill(~mask, np.nan)
    return {"features": torch.zeros(count, 1), "labels": changed.T.float()}


def _is_preference_data(path: str) -> bool:
    """Whether a file or folder holds prompts with responses, by its suffixes or, where these are of other data, too, a row."""
    place = user_path(path)
    files = data_files(place) if place.is_dir() else [place] if place.is_file() else []
    suffixes = {form_of(file) for file in files} - {""}
    if not suffixes or ".jsonl" in suffixes or (place.is_file() and form_of(place) == ".json"):
        return bool(suffixes)
    try:
        first = next(iter(rows(path)), None)
        return first is not None and reader_of(path, first) is not None
    except (ConfigError, DataError):
        return False


def _tables(title: str, examples: Sequence[Example], names: Sequence[str]) -> Iterator[RenderableType]:
    """Sizes and labels."""
    counts = np.array([len(example.responses) for example in examples])
    sizes = report_table("Sizes", "data", ("prompts", "responses", "min", "median", "mean", "max"))
    numbers = (counts.min(), np.median(counts), counts.mean(), counts.max())
    sizes.add_row(title, f"{len(examples):,}", f"{counts.sum():,}", *(f"{number:.4g}" for number in numbers))
    yield sizes
    labels = report_table("Labels", "label", ("labelled", "min", "median", "max", "prompts ordered"))
    for name in names:
        values = [value for example in examples for value in example.labels.get(name, ()) if value is not None]
        shown = (f"{number:.4g}" for number in (min(values), np.median(values), max(values))) if values else ("-",) * 3
        ordered = sum(prefers(example, name) for example in examples)
        labels.add_row(name, f"{len(values) / counts.sum():.1%}", *shown, f"{ordered:,}")
    yield labels
    yield "labelled: share of responses; prompts ordered: those in which the label is not the same for all responses"
    yield ""
