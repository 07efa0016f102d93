"""Sampled responses labelled by scorers: the lines of a data file, without empty and repeated responses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from moft.api import Scorer
from moft_llm.data.chat.messages import Prompt, prompt_record, scorer_prompt
from moft_llm.data.score_responses import score_responses
from moft_llm.data.texts_and_labels import is_visible


@dataclass(frozen=True)
class SampledLists:
    """Prompts with labelled responses.

    Args:
        lines: as JSON lines.
        summary: what was sampled, for the user.
    """

    lines: str
    summary: str


def distinct_responses(prompts: Sequence[Prompt], responses: Sequence[Sequence[str]]) -> list[tuple[Prompt, list[str]]]:
    """Prompts with at least two different responses, each once; empty responses are left out."""
    return [
        (prompt, unique)
        for prompt, texts in zip(prompts, responses, strict=True)
        if len(unique := list(dict.fromkeys(text for text in texts if is_visible(text)))) > 1
    ]


def label_lists(
    lists: Sequence[tuple[Prompt, Sequence[str]]], sampled: Sequence[Sequence[str]], scorers: Mapping[str, Scorer]
) -> SampledLists:
    """Labels for prompts with their distinct responses.

    Args:
        lists: as `distinct_responses` returns them, at least one.
        sampled: the responses before any was left out, for the summary.
        scorers: by the name of their objective.

    Raises:
        PluginError: a scorer fails.
    """
    texts = [text for _, unique in lists for text in unique]
    scores = score_responses(scorers, [scorer_prompt(prompt) for prompt, unique in lists for _ in unique], texts)
    labels = {
        name: [round(value, 6) for value in column.tolist()] for name, column in zip(scorers, scores.unbind(1), strict=True)
    }
    lines, first = [], 0
    for prompt, unique in lists:
        places = slice(first, first + len(unique))
        first = places.stop
        record = {
            **prompt_record(prompt),
            "responses": unique,
            "labels": {name: values[places] for name, values in labels.items()},
        }
        lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    means = ", ".join(f"{name} {sum(values) / len(values):.3g}" for name, values in labels.items())
    summary = f"{len(lists):,} prompts with {len(texts):,} responses. Mean scores: {means}."
    if left_out := sum(map(len, sampled)) - len(texts):
        summary += (
            f" Left out: {left_out:,} empty or repeated responses, {len(sampled) - len(lists):,} prompts with fewer than two "
            "different responses."
        )
    return SampledLists("".join(lines), summary)
