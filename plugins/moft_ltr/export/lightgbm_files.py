"""A policy of trees as LightGBM models: one with the base ranker and the weights inside, or one for each term of a sum."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from moft import ConfigError
from moft.api import (
    ReferenceTrees,
    continued_texts,
    exported_model,
    feature_names,
    import_lightgbm,
    load_booster,
    parse_lightgbm,
    steerable_text,
)
from moft_ltr.base.base_source import BaseSource, RankerReader
from moft_ltr.export.example_rows import ExampleCase
from moft_ltr.export.exported_policy import ExportedPolicy, base_kind

MODEL, BASE = "model", "base"
"""Names of files, without ending: of a whole policy, and of the base ranker beside the terms of a sum."""


def lightgbm_models(
    policy: ExportedPolicy, reader: RankerReader, base: BaseSource, objectives: Sequence[str], dial: float
) -> dict[str, str]:
    """The texts of the models, by the name of their file without its ending.

    There is one, `MODEL`, whose features are the columns of the reader and then, unless the policy is frozen, the weights. Of a
    policy that sums trees by the weights, there is `BASE`, and a model for each objective, whose scores times the weights are
    added to those of the base.

    Args:
        policy: to export, of trees.
        reader: of arrays.
        base: where the base scores come from.
        objectives: names, in order.
        dial: by which corrections are divided; 1 where the tradeoff of the policy has it.

    Raises:
        ConfigError: it cannot be written so; the message says what can.
    """
    if len(policy.shares) and policy.tradeoff is None:
        raise ConfigError(
            "--as lightgbm: this policy was trained on betas that vary, so its trees are divided by a number that depends on the "
            "weights; use --as onnx, or give --weights to export one tradeoff."
        )
    divisor = float(policy.divisor(torch.zeros(0))) * dial
    share = 1.0 if policy.model.spec.is_correction else 1 - 1 / divisor  # of the base scores, in the scores
    if share and base.trees is None:
        raise ConfigError(
            f"--as lightgbm: the base scores of this run come from {base_kind(base)}, which a LightGBM model cannot hold; "
            "use --as onnx."
        )
    columns, own = len(reader.features), weight_columns(reader.features, objectives)
    reference = replace(base.trees, factor=base.trees.factor * share, shift=base.trees.shift * share) if base.trees else None
    reference = reference if share else None
    if policy.tradeoff is not None:
        texts = continued_texts(reference, columns, policy.terms(divisor))
        return {MODEL: exported_model(texts, own[:columns], _shift(reference))}
    if policy.reads_weights:
        texts = [*continued_texts(reference, len(own), ()), steerable_text(columns, policy.trees[0], divisor)]
        return {MODEL: exported_model(texts, own, _shift(reference))}
    models = {BASE: exported_model(continued_texts(reference, columns, ()), own[:columns], _shift(reference))}
    for name, trees in zip(sum_names(objectives), policy.trees, strict=True):
        models[name] = exported_model(continued_texts(None, columns, [(trees, (), 1 / divisor)]), own[:columns])
    return models


def weight_columns(features: Sequence[str], objectives: Sequence[str]) -> list[str]:
    """What a model calls the features, and then the weights."""
    return feature_names([*features, *(f"weight_{name}" for name in objectives)])


def sum_names(objectives: Sequence[str]) -> list[str]:
    """Names of the files of the terms of a sum, without ending."""
    return [f"objective-{name}" for name in feature_names(objectives)]


def json_dump(text: str) -> str:
    """A model as the JSON that LightGBM's `dump_model` writes."""
    return json.dumps(import_lightgbm("--as lightgbm").Booster(model_str=text).dump_model())


def _shift(reference: ReferenceTrees | None) -> float:
    return 0.0 if reference is None else reference.shift


def check_models(models: Mapping[str, str], rows: NDArray[np.float32], cases: Sequence[ExampleCase]) -> None:
    """Checks that LightGBM gives the scores of example rows.

    Raises:
        RunError: it does not.
    """
    boosters = {
        name: load_booster(parse_lightgbm(text, f"{name}.txt"), f"{name}.txt", "--as lightgbm") for name, text in models.items()
    }
    for case in cases:
        weights = [*case.weights.values()]
        if MODEL in boosters:
            is_steered = boosters[MODEL].num_feature() > rows.shape[1]
            given = np.hstack([rows, np.tile(weights, (len(rows), 1))]) if is_steered else rows
            found = boosters[MODEL].predict(given)
        else:
            terms = zip(weights, sum_names([*case.weights]), strict=True)
            found = boosters[BASE].predict(rows) + sum(weight * boosters[name].predict(rows) for weight, name in terms)
        case.check(found, "--as lightgbm: the model")
