"""The page of `moft data describe` on conflicts: how far the objectives of a ranking dataset pull apart, before training."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import RenderableType
from torch import Tensor

from moft import ConfigError, DataError
from moft.api import (
    Batch,
    Batches,
    LabelledLists,
    Loss,
    Nouns,
    Objective,
    ObjectiveLosses,
    Plugins,
    batches_of,
    component,
    conflict_report,
    user_path,
)
from moft_ltr.base.base_ranker import ScoreColumn
from moft_ltr.base.base_scores import BaseScores
from moft_ltr.base.lightgbm_model import LightGBMModel
from moft_ltr.data.columns import LARGEST_EXPONENT, MSLR_LABELS, column_number, input_columns, is_mslr, label_owners
from moft_ltr.data.dataset import Dataset
from moft_ltr.data.features.feature_scaling import FeatureScaling
from moft_ltr.data.features.network_inputs import NetworkInputs
from moft_ltr.data.label_transforms import Transform, describe_transform, transform_labels
from moft_ltr.data.labelled_lists import LabelSettings, build_store
from moft_ltr.data.side_columns import SideColumns
from moft_ltr.data.splits import QuerySubset
from moft_ltr.data.statistics import MAIN, MAX_DOCUMENTS, MAX_QUERIES, Values, evenly_spaced
from moft_ltr.metrics.ndcg import NDCG
from moft_ltr.starting_config import fitting_transform, why_no_trees

LOSS = "lipo-lambda"
"""The loss of all objectives in the config that `moft new config ltr` writes for trees."""

RANKS = 10
"""That count in NDCG, as in that config."""

BUDGET = 2048
NOUNS = Nouns("query", "document")


def conflict_page(
    splits: Mapping[str, Dataset], labels: Mapping[str, int], base: str | None, plugins: Plugins
) -> list[RenderableType]:
    """The page: conflicts of pairs, what orders have of each objective, and what that says.

    Args:
        splits: datasets by name.
        labels: column of each label, from 1.
        base: a column of base scores, by number from 1 or by name, or a LightGBM model file; None for no base scores.
        plugins: which offer the loss.

    Raises:
        ConfigError: `base` is neither.
        DataError: the base scores cannot be read, or rank nothing.
    """
    first = next(iter(splits.values()))
    source = None if base is None else _source(base, first, labels)
    objectives, transforms = _objectives(splits, labels)
    silent = [f"{name} orders no documents of a query, so it is left out." for name in labels if name not in transforms]
    if len(objectives) < 2 or not transforms:
        unused = "" if base is None else ", so --base is not measured"
        return [f"Conflicts cannot be shown: fewer than two labels order documents{unused}.", *silent]
    chosen = {name: labels[name] for name in transforms}
    held_out = {name: data for name, data in splits.items() if name != "train"} or splits
    parts = _sample(held_out)
    lists = _batches(_sample(splits), objectives, chosen, transforms, None)
    scores = None if source is None else _base_scores(parts, source, labels)
    measured = _batches(parts, objectives, chosen, transforms, scores)
    report = conflict_report(
        LabelledLists(
            ObjectiveLosses(objectives, component(Loss, LOSS, plugins)),
            [objective.name in transforms for objective in objectives],
            lists,
            measured,
            source is not None,
            NDCG(objectives, None, k=RANKS),
            gain_shares(objectives),
            NOUNS,
        )
    )
    used = "; ".join(
        f"{', '.join(name for name in transforms if transforms[name] == how)} {describe_transform(how)}"
        for how in dict.fromkeys(transforms.values())
    )
    metric = f"NDCG@{RANKS}, mean over {_count(measured, held_out)}; labels as `moft new config` takes them: {used}."
    no_base = "No base is shown: give its scores with --base, a column or a LightGBM model file."
    if MAIN not in transforms and objectives[0].name == MAIN:
        no_base += f" The row of {MAIN} is that of a perfect ranker for it."
    return report.parts(
        _count(lists, splits),
        LOSS,
        metric,
        no_base if base is None else f"base: the scores of {base}.",
        [_method(splits, first), *silent],
    )


def gain_shares(objectives: Sequence[Objective]) -> Callable[[Batch], Tensor]:
    """What gives the gains of the documents of a batch, `[batch, list, m]`, as shares of the ideal DCG of their query.

    A mean of NDCGs is largest in the order of the sum of these shares, because discounts are those of all objectives.
    """

    def shares(batch: Batch) -> Tensor:
        columns = []
        for index, objective in enumerate(objectives):
            labels = batch.labels[..., index].double().masked_fill(~batch.mask[..., index], 0.0)
            gains = labels.exp2() - 1 if objective.gain == "exp2" else labels
            top = gains.sort(dim=-1, descending=True).values[..., :RANKS]
            ideal = (top / torch.log2(torch.arange(top.shape[-1]) + 2.0)).sum(-1, keepdim=True)
            columns.append(gains / torch.where(ideal > 0, ideal, 1.0))
        return torch.stack(columns, dim=-1)

    return shares


def _objectives(splits: Mapping[str, Dataset], labels: Mapping[str, int]) -> tuple[tuple[Objective, ...], dict[str, Transform]]:
    """The relevance, if it orders documents, and the labels that do; and the transforms of these."""
    found, transforms = list[Objective](), dict[str, Transform]()
    if MAIN not in labels and any(_orders(_main_labels(data), data) for data in splits.values()):
        graded = all(((main >= 0) & (main <= LARGEST_EXPONENT)).all() for main in map(_main_labels, splits.values()))
        found.append(Objective(MAIN, gain="exp2" if graded else "linear"))
    for name, column in labels.items():
        columns = {split: np.array(data.features[:, column - 1]) for split, data in splits.items()}
        first = next(iter(splits))
        if any(_orders(columns[split], data) for split, data in splits.items()):
            low = min(float(np.nanmin(values, initial=np.inf)) for values in columns.values())
            transforms[name] = fitting_transform(columns[first], splits[first].offsets, low)
            found.append(Objective(name))
    return tuple(found), transforms


def _main_labels(data: Dataset) -> Values:
    """`[items]`, the relevance, or the column of this name; a missing one counts as 0, and so do all where there is none."""
    if not data.facts.has_relevance and MAIN in data.facts.names:
        return np.nan_to_num(np.array(data.features[:, data.facts.names.index(MAIN)], dtype=np.float64))
    return np.array(data.relevance, dtype=np.float64)


def _orders(values: npt.NDArray[np.floating[Any]], data: Dataset) -> bool:
    """Whether a label differs within some query."""
    starts = data.offsets[:-1]
    return bool((np.fmax.reduceat(values, starts) > np.fmin.reduceat(values, starts)).any())


def _sample(splits: Mapping[str, Dataset]) -> tuple[QuerySubset, ...]:
    """Queries of two documents or more, evenly spaced over all splits."""
    usable = {name: np.flatnonzero(np.diff(data.offsets) > 1) for name, data in splits.items()}
    chosen, begin, parts = evenly_spaced(sum(map(len, usable.values())), MAX_QUERIES), 0, []
    for name, data in splits.items():
        here = chosen[(chosen >= begin) & (chosen < begin + len(usable[name]))] - begin
        begin += len(usable[name])
        if len(here):
            parts.append(QuerySubset(data, usable[name][here]))
    return tuple(parts)


def _batches(
    parts: Sequence[QuerySubset],
    objectives: Sequence[Objective],
    labels: Mapping[str, int],
    transforms: Mapping[str, Transform],
    scores: Tensor | None,
) -> Batches:
    """Some queries with their transformed labels, and base scores, `[items]`; of long queries some documents."""
    lists, begin = [], 0
    for part in parts:
        rows, offsets = part.items, part.offsets
        columns = []
        for objective in objectives:
            name = objective.name
            raw = part.data.features[rows, labels[name] - 1] if name in labels else _main_labels(part.data)[rows]
            how = transforms[name] if name in labels else "none" if objective.gain == "exp2" else "min-max"
            columns.append(transform_labels(np.asarray(raw), offsets, how))
        table = np.stack(columns, axis=1).astype(np.float32)
        for start, end in pairwise(offsets.tolist()):
            kept = start + evenly_spaced(end - start, MAX_DOCUMENTS)
            one = {"features": np.zeros((len(kept), 1), dtype=np.float32), "labels": table[kept]}
            lists.append(one if scores is None else one | {"reference": scores[begin + kept]})
        begin += len(rows)
    return batches_of(lists, budget=BUDGET, device=torch.get_default_device())


def _source(base: str, data: Dataset, labels: Mapping[str, int]) -> ScoreColumn | LightGBMModel:
    """Where base scores come from.

    Raises:
        ConfigError: it is neither a column nor a file, or the column of a label.
        DataError: there is no such column.
    """
    is_number = re.fullmatch("[0-9]{1,9}", base) is not None
    if not is_number and base not in (*data.facts.names, *data.labels):
        if not user_path(base).is_file():
            raise ConfigError(
                f"--base {base}: is neither a column of the data nor a file; give a column or a LightGBM model file."
            )
        return LightGBMModel(base)
    number = column_number(data, int(base) if is_number else base, "--base")
    for name, column in labels.items():
        if column == number:
            raise ConfigError(f"--base {base}: is the label of {name!r}; name a column of scores that do not know it.")
    return ScoreColumn(number)


def _base_scores(parts: tuple[QuerySubset, ...], source: ScoreColumn | LightGBMModel, labels: Mapping[str, int]) -> Tensor:
    """`[items]`, standardised.

    Raises:
        ConfigError: a model reads other columns than the data has.
        DataError: scores cannot be read, or are all the same.
    """
    data = parts[0].data
    exclude = [*data.facts.text, *(MSLR_LABELS if is_mslr(data) else ())]
    inputs = input_columns(data, labels, exclude=exclude, features=None)
    zeros = np.zeros(len(inputs), dtype=np.float32)
    network = NetworkInputs(FeatureScaling(zeros.astype(bool), zeros, zeros), np.zeros(0, dtype=np.int64), {})
    settings = LabelSettings({}, None, SideColumns())
    store = build_store(parts, inputs, network, set(), settings, torch.get_default_device(), is_labelled=False)
    scores = BaseScores(source, BUDGET, inputs)
    try:
        scores.check({"train": store}, {"train": parts}, label_owners(data, labels), are_all=True)
        scores.fill(store, parts)
    except (ConfigError, DataError) as error:  # which names settings of a config
        text = re.sub(r"\[task\.base[\w.]*\]:?|task\.base\.column:?", "--base:", str(error))
        text = re.sub("List the columns that the model reads.*", "Write its scores into a column, and name that.", text)
        raise type(error)(text) from error
    return store.reference


def _count(batches: Batches, splits: Mapping[str, Dataset]) -> str:
    """Which queries were looked at, in words."""
    total, where = sum(len(data) for data in splits.values()), ", ".join(splits)
    whole = NOUNS.count_lists(total)
    return f"{whole} of {where}" if batches.lists == total else f"{batches.lists:,} of {whole} of {where}"


def _method(splits: Mapping[str, Dataset], first: Dataset) -> str:
    """The method that `moft new config ltr` would write, and why."""
    why = why_no_trees(len(splits.get("train", first).relevance))
    if why:
        return f"method: cos-dpo with the loss listnet, a network: {why}."
    return f"method: cos-dpo-trees with the loss {LOSS}, as `moft new config ltr` writes it."
