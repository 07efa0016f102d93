"""Writes a LightGBM model for others: several models summed into one, with a constant, and with names of features."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain, count

from moft.files.lightgbm.model_text import tree_texts, written_model


def exported_model(texts: Sequence[str], names: Sequence[str], shift: float = 0.0) -> str:
    """The text of the model whose raw scores are the sum of those of several models and of a constant, which is a last tree.

    Args:
        texts: of the models, each the `text` of a `TreeModel`, with `names` as features; there may be none.
        names: of the features, from `feature_names`.
        shift: the constant.
    """
    trees = [tree for text in texts for tree in tree_texts(text)]
    if shift or not trees:
        trees.append(f"num_leaves=1\nnum_cat=0\nleaf_value={shift!r}\n")
    numbered = " ".join(f"Column_{number}" for number in range(len(names)))
    return written_model(trees, len(names)).replace(f"feature_names={numbered}\n", f"feature_names={' '.join(names)}\n", 1)


def feature_names(names: Sequence[str]) -> list[str]:
    """Names that LightGBM and its readers take as words: letters and digits of ASCII and `_`, no digit first, each name once."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"\W|^(?=\d|$)", "_", name, flags=re.ASCII)
        found.append(next(one for one in chain([plain], (f"{plain}_{number}" for number in count(2))) if one not in found))
    return found
