"""Notes for the reader of a front: missing values, weights served by other models, findings of a policy's modules."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from moft.interfaces import Policy, ReportsFindings
from moft.types import ListValues, Nouns, Tradeoff

_SAME = 1e-4  # weights that differ by less are the same, written in fewer digits


def missing_values(measured: ListValues, objectives: Sequence[str], split: str, nouns: Nouns) -> tuple[str, ...]:
    """A sentence for each objective that has no value for any list of the split."""
    is_missing = measured.values.isnan().flatten(0, 1).all(0).tolist()  # [m]
    return tuple(
        f"{name}: no {nouns.list} of the {split} split could be measured for it, so it has no value and the front no hypervolume."
        for name, missing in zip(objectives, is_missing, strict=True)
        if missing
    )


def substitutions(policy: Policy, tradeoffs: Tradeoff, objectives: Sequence[str]) -> tuple[str, ...]:
    """For each row of weights that the policy has no model for, a sentence that says which weights were served instead."""
    nearest = policy.served(tradeoffs)
    if nearest is tradeoffs:
        return ()
    asked = tradeoffs.expand(len(tradeoffs)).weights.cpu()
    served = nearest.expand(len(tradeoffs)).weights.cpu()
    rows = ((asked - served).abs().amax(1) > _SAME).nonzero().flatten().tolist()
    pairs = dict.fromkeys((_in_words(asked[row], objectives), _in_words(served[row], objectives)) for row in rows)
    return tuple(f"Weights {one}: no model was trained for these; the nearest one, for {other}, is used." for one, other in pairs)


def findings(policy: Policy) -> tuple[str, ...]:
    """What the modules of a policy report that they learned, each sentence once."""
    reporting = (module for module in policy.modules() if isinstance(module, ReportsFindings))
    return tuple(dict.fromkeys(str(sentence) for module in reporting for sentence in module.findings()))


def _in_words(weights: Tensor, objectives: Sequence[str]) -> str:
    return ", ".join(f"{name}={value:.4g}" for name, value in zip(objectives, weights.tolist(), strict=True))
