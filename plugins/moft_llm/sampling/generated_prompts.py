"""Openings: prompts that a model writes itself, by sampling from its start token."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from moft import ConfigError, DataError
from moft.api import Assignment, Injection, generator_for
from moft_llm.data.chat.chat_template import Template
from moft_llm.generation.decoding import Decoding
from moft_llm.generation.generate import generate
from moft_llm.generation.texts.detokenization import detokenize_responses
from moft_llm.network.language_model import LanguageModel

_TRIES = 4  # times as many as are wanted, before too few different ones is an error


@dataclass(frozen=True)
class Openings:
    """Prompts that the model writes itself, all different.

    Args:
        count: how many.
        tokens: length of each.
    """

    count: int
    tokens: int


def write_openings(
    model: LanguageModel, openings: Openings, template: Template, *, name: str, seed: int, batch: int
) -> list[str]:
    """Different texts of the wanted length that the model begins with.

    Args:
        model: that writes them.
        openings: how many, and how long.
        template: of prompts; must be `none`.
        name: of the model, for messages.
        seed: of all random numbers.
        batch: openings at a time.

    Raises:
        ConfigError: there is a template.
        DataError: the model writes too few different ones.
    """
    if template.text != "none":
        raise ConfigError(
            f"--template {template.text!r} cannot be used with --openings, which the model continues without a template."
        )
    tokenizer = model.tokenizer
    start = int(tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id)
    tries = _TRIES * openings.count
    decoding = Decoding(openings.tokens, batch=batch)
    texts: dict[str, None] = {}
    for first in range(0, tries, openings.count):
        generators = [generator_for(seed, "opening", first + row) for row in range(openings.count)]
        places = ["--opening-tokens"] * openings.count  # the option to blame where they are too long
        assignments = base_assignments(model, openings.count)
        ids = generate(assignments, [[start]] * openings.count, decoding, generators=generators, places=places)
        whole = [row for row in ids if len(row) == openings.tokens]
        for text in detokenize_responses(tokenizer, [[start]] * len(whole), whole):
            if len(texts) < openings.count and text.strip():
                texts.setdefault(text.strip())
        if len(texts) == openings.count:
            return list(texts)
    raise DataError(
        f"{name}: wrote {len(texts)} different openings in {tries} tries, but --openings is {openings.count}. "
        "Ask for fewer, or for longer ones with --opening-tokens."
    )


def base_assignments(model: LanguageModel, rows: int) -> list[Assignment]:
    """The base model for every row."""
    device = next(model.parameters()).device
    return [Assignment(torch.arange(rows, device=device), model, Injection(), torch.full((rows, 1), math.inf, device=device))]
