"""The config that `moft new config ltr` writes: objectives from the data's label columns, every line explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from moft import ConfigError, DataError
from moft.api import ConfigRequest, import_lightgbm, objective_name, rendered_config
from moft_ltr.base.lightgbm_model import LightGBMModel, read_model_text
from moft_ltr.base.score_digits import label_digit_notes
from moft_ltr.data.columns import MSLR_LABELS, column_number, is_mslr, loses_order
from moft_ltr.data.converted.dataset_folder import Integers
from moft_ltr.data.dataset import Dataset, find_data, open_dataset, split_file
from moft_ltr.data.example_data.mslr_sample import LABELS
from moft_ltr.data.features.feature_scaling import Floats
from moft_ltr.data.label_transforms import LabelColumn, Transform, transform_labels
from moft_ltr.data.readers.query_rows import SPLIT_NUMBERS
from moft_ltr.data.readers.table_columns import EXCLUDED, TableColumns
from moft_ltr.data.splits import QuerySubset, all_queries, check_shares, is_one_dataset, open_files, split_one
from moft_ltr.data.statistics import MAIN, Values, label_facts

TEMPLATE = Path(__file__).with_suffix(".yaml.j2")

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
"""Of the queries of one table that has no column of splits."""

READING: Mapping[str, bool] = {"query": False, "item": False, "split": False, "categorical": True, "exclude": True}
"""Settings that say how data is read, and whether they are lists."""

SILENT = "all documents of each training query have the same value"

GUESSED = 2
"""Objectives that are proposed where nothing says which columns are labels."""

HIGHEST_GRADE = 5
"""Whole numbers up to here are taken for grades."""

LARGEST_SCORE = 255
"""Labels up to here may be scores of a fixed range; larger ones are taken for counts, times or money."""

SKEWED = 0.2
"""Numbers whose mean is below this share of the largest one are taken for counts or money, if some are zero."""

LARGEST_COUNT = 50
"""Whole numbers below this are taken for counts, however they are spread, if some are zero."""

PASSES: Sequence[tuple[int, tuple[int, int]]] = ((100, (40, 100)), (1000, (15, 50)))
"""With fewer training queries than the first number: epochs of the base ranker, and of the policy."""

MANY = (15, 30)
"""The same with more training queries."""

FEW = 50
"""With fewer training documents, trees find hardly a split, so that the config is that of a network."""

LEAF, LEAVES = 20, 10
"""Smallest number of training documents in a leaf; but so many leaves of it always find enough documents."""


@dataclass(frozen=True)
class Proposal:
    """An objective of the config.

    Args:
        name: of the objective.
        column: as the config gives it, a number or the data's own name.
        transform: of its labels.
        comment: what its labels look like.
    """

    name: str
    column: int | str
    transform: Transform
    comment: str

    @property
    def plain(self) -> dict[str, object]:
        """The settings of the objective, for methods whose own loss fits labels of any kind."""
        settings: dict[str, object] = {"column": self.column}
        if self.transform != "none":
            settings["transform"] = self.transform
        return settings

    @property
    def settings(self) -> dict[str, object]:
        """The same for a network, whose loss has to be sharper for scores of a fixed range."""
        settings = self.plain
        if self.transform == "min-max":
            settings["loss"] = {"name": "listnet", "sharpness": 10}
        return settings


def starting_config(request: ConfigRequest) -> str:
    """The text of a config that trains a ranker on a folder of splits.

    Raises:
        ConfigError: a label is not of the form NAME=COLUMN.
        DataError: the folder cannot be read, no label column can be learned from, or the model is not one of LightGBM.
    """
    columns, split = _reading(request)
    folder = find_data(request.data, request.cache)
    if split is None and folder.is_file() and folder.stem in SPLIT_NUMBERS:
        split_file(folder, "train")  # which asks for the folder
    if is_one_dataset(folder):
        files = {"train": open_dataset(folder, request.cache, columns)}
        if split is None and files["train"].facts.splits is None:
            split = SHARES
    else:
        files = open_files(folder, request.cache, columns)
        if split is not None:
            raise ConfigError(f"--set split: {request.data} has a file for each split; leave it out.")
    train = files["train"]
    if len({file.columns for file in files.values()}) > 1:
        counts = ", ".join(f"{split} has {file.columns}" for split, file in files.items())
        most = max(file.columns for file in files.values())
        raise DataError(f"{request.data}: the splits differ in columns ({counts}). Write the last column out, as in {most}:0.")
    if request.model is not None:
        read_model_text(LightGBMModel(request.model))
    labels, is_guessed = _labels(train, request.labels)
    most = min(GUESSED, train.columns - 1) if is_guessed else len(labels)
    proposals, silent = _proposals(labels, files, most, is_guessed=is_guessed)
    if request.labels and silent:
        raise DataError(f"{train.source}: {SILENT} for the label {silent[0]!r} in column {request.labels[silent[0]]}.")
    if not proposals:
        raise DataError(f"{train.source}: {SILENT} in any label column. Name others, as in --label clicks=134.")
    known = set() if is_guessed else {column_number(train, column, "--label") for column in labels.values()}
    given = request.settings.get("exclude")
    left_out = [*(given if isinstance(given, list) else []), *_left_out(train, known, proposals)]
    values = _values(request, files, proposals[::-1] if is_guessed else proposals, left_out)
    values |= _method(train, _fitting(files, split), values["main"])
    reading = {name: value for name, value in request.settings.items() if name not in ("exclude", "split")}
    reading |= {} if split is None else {"split": split}
    return rendered_config(
        TEMPLATE, values | {"is_guessed": is_guessed, "silent": [] if is_guessed else silent, "reading": reading}
    )


def _reading(request: ConfigRequest) -> tuple[TableColumns, str | Mapping[str, float] | None]:
    """How the data is read, and how it is split, from the settings of the request.

    Raises:
        ConfigError: a setting is none that says how data is read, or has another form.
    """
    settings = dict(request.settings)
    for name, value in settings.items():
        is_list = isinstance(value, list) and all(isinstance(one, str) for one in value)
        is_split = name == "split" and isinstance(value, dict)
        if name not in READING or not (is_split or (is_list if READING[name] else isinstance(value, str))):
            kinds = ", ".join(f"{known}={'[NAME, ...]' if many else 'NAME'}" for known, many in READING.items())
            raise ConfigError(f"--set {name}={value}: is none of the settings that say how data is read: {kinds}.")
    split: Any = settings.get("split")
    if isinstance(split, dict):
        check_shares(split)
    by_column = split if isinstance(split, str) else None
    lists = (tuple(settings.get("categorical", ())), tuple(settings.get("exclude", ())))
    return TableColumns(settings.get("query"), settings.get("item"), by_column, *lists), split


def _labels(data: Dataset, given: Mapping[str, str]) -> tuple[Mapping[str, int | str], bool]:
    """Label columns by the name of their objective, and whether they are guessed: then all columns, the last one first."""
    if given:
        for name, column in given.items():
            if column not in (*data.labels, *data.facts.names) and not (
                column.isascii() and column.isdigit() and len(column) < 10
            ):
                if data.facts.names:
                    column_number(data, column, f"--label {name}")  # whose message names those that are like it
                known = f" Labels that the data names: {', '.join(data.labels)}." if data.labels else ""
                raise ConfigError(f"--label {name}={column}: {column!r} is not the number of a column.{known}")
        called = (*data.labels, *data.facts.names)
        labels: dict[str, int | str] = {name: column if column in called else int(column) for name, column in given.items()}
        owners: dict[int, str] = {}
        for name, column in given.items():
            other = owners.setdefault(column_number(data, labels[name], f"--label {name}"), name)
            if other != name:
                raise ConfigError(
                    f"--label {name}={column}: is the column of {other!r}, too; give each objective its own column."
                )
        return labels, False
    if data.labels:
        return {objective_name(name): name for name in data.labels}, False
    if is_mslr(data):
        return dict(LABELS), False
    if data.facts.names:
        return {objective_name(name): name for name in reversed(data.facts.names)}, True
    return {f"column-{column}": column for column in range(data.columns, 0, -1)}, True


def _left_out(data: Dataset, known: set[int], proposals: Sequence[Proposal]) -> list[int | str]:
    """Columns that are not objectives and would be inputs otherwise, but cannot: labels and text."""
    if is_mslr(data):
        known = known | set(MSLR_LABELS)
    objectives = {column_number(data, proposal.column, "--label") for proposal in proposals}
    main = {data.facts.names.index(MAIN) + 1} if MAIN in data.facts.names else set()
    numbers = sorted(known - objectives - set(data.labels.values()) - main)
    text = [name for name, kind in data.facts.text.items() if kind != EXCLUDED]
    return [*(data.facts.names[column - 1] if data.facts.names else column for column in numbers), *text]


def _proposals(
    labels: Mapping[str, int | str], files: Mapping[str, Dataset], most: int, *, is_guessed: bool
) -> tuple[list[Proposal], list[str]]:
    """The first objectives that can be learned from, and the labels before the last of them that cannot.

    Raises:
        DataError: a label that is not guessed has lost its digits.
    """
    proposals: list[Proposal] = []
    silent = []
    for name, column in labels.items():
        if len(proposals) == most:
            break
        try:
            proposal = _proposal(name, column, files)
        except DataError:
            if not is_guessed:
                raise
            proposal = None
        if proposal is None:
            silent.append(name)
        else:
            proposals.append(proposal)
    return proposals, silent


def _proposal(name: str, column: int | str, files: Mapping[str, Dataset]) -> Proposal | None:
    """An objective for a label column; None where its labels are the same within every training query."""
    train = files["train"]
    number = column_number(train, column, f"--label {name}")
    values = np.array(train.features[:, number - 1])
    low = min(float(np.nanmin(file.features[:, number - 1], initial=np.inf)) for file in files.values())
    if np.isnan(values).all():
        return None
    label_digit_notes({"train": all_queries(train)}, {name: LabelColumn(column)}, None)
    transform = fitting_transform(values, train.offsets, low)
    changed = transform_labels(values, train.offsets, transform)
    facts = label_facts(name, changed, train.offsets)
    if facts.constant == len(train):
        return None
    raw = label_facts(name, values.astype(np.float64), train.offsets)
    comment = f"from {raw.low:.4g} to {raw.high:.4g}, {raw.nonzero:.0%} other than zero"
    comment += f", {raw.missing:.0%} missing" if raw.missing else ""
    return Proposal(name, column, transform, comment)


def fitting_transform(values: Floats, offsets: Integers, low: float) -> Transform:
    """The transform that a config gives labels.

    Args:
        values: `[items]`, NaN where one is missing.
        offsets: `[lists + 1]`, where queries begin.
        low: the smallest label of all splits.
    """
    transform = _transform(values[~np.isnan(values)], low)
    return "min-max" if loses_order(transform_labels(values, offsets, transform), offsets) else transform


def _transform(values: np.ndarray[tuple[int], np.dtype[np.float32]], low: float) -> Transform:
    """The transform that fits labels of this kind; `docs/how-to/own-data.md` has the table."""
    high, is_whole = float(values.max()), bool((values == np.round(values)).all())
    if low < 0:
        return "min-max"
    if is_whole and high <= HIGHEST_GRADE:
        return "none"
    is_skewed = float(values.mean(dtype=np.float64)) < SKEWED * high
    is_count = is_whole and (is_skewed or high < LARGEST_COUNT)
    is_money = not is_whole and is_skewed and high > HIGHEST_GRADE
    if high > LARGEST_SCORE or (low == 0 and (is_count or is_money)):
        return "log1p"
    return "min-max"


def _values(
    request: ConfigRequest,
    files: Mapping[str, Dataset],
    proposals: Sequence[Proposal],
    left_out: Sequence[int | str],
) -> dict[str, object]:
    """What the template asks for."""
    train, first = files["train"], proposals[0]
    base_epochs, epochs = next((passes for below, passes in PASSES if len(train) < below), MANY)
    main = {"column": first.column, "transform": first.transform, "gain": "linear"} if _is_constant(train) else None
    if not train.facts.has_relevance and MAIN in train.facts.names and MAIN not in [one.column for one in proposals]:
        main = {"column": MAIN, "gain": "exp2"}
    return {
        "queries": ", ".join(f"{len(file):,} {split}" for split, file in files.items()) if len(files) > 1 else f"{len(train):,}",
        "columns": train.columns,
        "data": request.data,
        "proposals": proposals,
        "left_out": list(left_out),
        "has_relevance": train.facts.has_relevance,
        "main": main,
        "model": request.model,
        "base_epochs": base_epochs,
        "epochs": epochs,
        "short": sum(int((np.diff(file.offsets) < 2).sum()) for file in files.values()),
    }


def _fitting(files: Mapping[str, Dataset], split: str | Mapping[str, float] | None) -> Mapping[str, Sequence[QuerySubset]]:
    """The queries that are trained on, and those that select; as training will have them, but for its checks.

    Raises:
        DataError: a split of one table would have no query.
    """
    if len(files) > 1:
        return {name: all_queries(file) for name, file in files.items()}
    return split_one(files["train"], None, 0, "drop", None if isinstance(split, str) else split)


def _method(data: Dataset, splits: Mapping[str, Sequence[QuerySubset]], main: Any) -> dict[str, object]:
    """What the template asks for of the method: trees where they can be grown on this data and by what is installed.

    Args:
        data: the training file.
        splits: `train` and `validation`.
        main: the settings of the main objective; None for the relevance.
    """
    documents = sum(len(queries.items) for queries in splits["train"])
    why = why_no_trees(documents)
    number = column_number(data, main["column"], "task.main") if main else None
    is_ranked = False
    for queries in splits["validation"]:
        rows = queries.items
        labels = queries.data.relevance[rows] if number is None else queries.data.features[rows, number - 1]
        transform: Transform = main.get("transform", "none") if main else "none"
        is_ranked |= bool((transform_labels(np.array(labels), queries.offsets, transform) > 0).any())
    return {"no_trees": why, "lambdamart": is_ranked and not why, "items": max(1, min(LEAF, documents // LEAVES))}


def why_no_trees(documents: int) -> str:
    """Why a config has a network and not trees, with so many training documents; empty where it has trees."""
    try:
        import_lightgbm("method")
    except ConfigError:
        return 'trees, cos-dpo-trees, need the extra lightgbm: pip install "moft[lightgbm]"'
    return f"{documents} training documents are few for trees" if documents < FEW else ""


def _is_constant(data: Dataset) -> bool:
    """Whether the relevance is the same within every query."""
    facts = label_facts("relevance", _relevance(data), data.offsets)
    return facts.constant == len(data)


def _relevance(data: Dataset) -> Values:
    return np.array(data.relevance, dtype=np.float64)
