"""Checks of prompts before text is generated: each has tokens, and fits into the context with its response."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from moft import DataError
from moft_llm.network.architecture import check_embedded
from moft_llm.network.base_model import context_length
from moft_llm.network.language_model import LanguageModel


def check_context(
    model: LanguageModel, prompts: Sequence[Sequence[int]], prefix: Tensor | None, new: int, places: Sequence[str]
) -> None:
    """Checks that every prompt has a token, and leaves room for a prefix and the new tokens.

    Args:
        model: that generates.
        prompts: tokens of each.
        prefix: `[rows, p, hidden]`, or None.
        new: tokens to generate.
        places: what messages call each prompt.

    Raises:
        DataError: a prompt is empty, together they are longer than the model's context, or the model lacks a token.
    """
    check_not_empty(prompts, places)
    for place, prompt in zip(places, prompts, strict=True):
        check_embedded(torch.tensor(prompt), model.tokenizer, model.network, [place] * len(prompt))
    limit = context_length(model.network.config.get_text_config())
    ahead = 0 if prefix is None else prefix.shape[1]
    for place, prompt in zip(places, prompts, strict=True):
        if limit is not None and ahead + len(prompt) + new > limit:
            parts = f"{len(prompt)} prompt tokens{f', {ahead} prefix tokens' if ahead else ''} and {new} new tokens"
            raise DataError(
                f"{place}: {parts} exceed the model's context of {limit}. Shorten the prompt, or generate fewer new tokens."
            )


def check_not_empty(prompts: Sequence[Sequence[int]], places: Sequence[str]) -> None:
    """Checks that every prompt has a token.

    Args:
        prompts: tokens of each.
        places: what messages call each prompt.

    Raises:
        DataError: a prompt is empty.
    """
    for place, prompt in zip(places, prompts, strict=True):
        if not prompt:
            raise DataError(f"{place}: the prompt has no tokens; give at least one.")
