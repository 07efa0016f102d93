"""What `moft data describe` prints of a config: the lists as its reader makes them, and what truncation does to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from rich.console import RenderableType

from moft import ConfigError, MoftError, cache_folder
from moft.api import Context, Factory, Loss, Plugins, Task, component, read_config, user_path
from moft_llm.data.splits import SPLITS
from moft_llm.label_conflicts import described_examples, evenly_spaced
from moft_llm.task import LLM

TaskOfConfig = Factory[Task]

MAX_PROMPTS = 2000
"""Of each split that are tokenized, evenly spaced."""


def is_config(path: str) -> bool:
    """Whether a path is that of a config, by its suffix."""
    return user_path(path).suffix in (".yaml", ".yml")


def describe_config(path: str, plugins: Plugins) -> list[RenderableType]:
    """Tables and sentences to print: the first lists in full, sizes, labels, ties, conflicts and truncation.

    Args:
        path: of a config.
        plugins: which offer the task and the loss.

    Raises:
        ConfigError: the config has mistakes, or is of another task.
        DataError: the data is malformed.
    """
    place = user_path(path)
    settings = read_config(place).get("task")
    if not isinstance(settings, Mapping) or settings.get("name") != "llm":
        raise ConfigError(f"{path}: a config is described if its task.name is llm; of rankers, describe the data itself.")
    task = component(TaskOfConfig, _with_known_losses(settings, plugins), plugins, "task")(
        Context(torch.get_default_device(), 0, cache_folder())
    )
    if not isinstance(task, LLM):
        raise ConfigError(f"{path}: another plugin offers a task called llm; disable it.")
    opened = task.opened()
    counts = ", ".join(f"{len(opened.examples[split]):,} {split}" for split in SPLITS)
    examples = [example for split in SPLITS for example in opened.examples[split]]
    described = described_examples(place.name, examples, opened.notes, plugins)
    return [*described, "", f"Splits: {counts}.", *_truncation(task)]


def _with_known_losses(settings: Mapping[str, Any], plugins: Plugins) -> dict[str, Any]:
    """The settings of the task without losses of objectives that come from plugin files, which are not run here."""
    objectives = settings.get("objectives")
    if not isinstance(objectives, Mapping):
        return dict(settings)
    kept = {
        name: {key: value for key, value in given.items() if key != "loss" or _is_known(value, plugins)}
        if isinstance(given, Mapping)
        else given
        for name, given in objectives.items()
    }
    return {**settings, "objectives": kept}


def _is_known(loss: Any, plugins: Plugins) -> bool:
    try:
        component(Loss, loss, plugins)
    except MoftError:
        return False
    return True


def _truncation(task: LLM) -> Iterator[str]:
    for split in SPLITS:
        examples = task.opened().examples[split]
        chosen = evenly_spaced(examples, MAX_PROMPTS)
        name = split if len(chosen) == len(examples) else f"{split}, {len(chosen):,} of {len(examples):,} prompts"
        try:
            tokens, unchecked = task.tokens_of(chosen)
        except MoftError as error:
            yield f"Truncation is not shown: {error}"
            return
        if tokens is None:
            yield from unchecked
            return
        yield f"{name}: the longest prompt with one of its responses has {tokens.longest:,} tokens, after truncation."
        yield from tokens.notes(name)
