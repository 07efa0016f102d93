"""Language models: the task, its evaluators, and the commands that generate, export and sample."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from moft import Component, hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def moft_tasks() -> Iterable[Component]:
    """Offers the task."""
    summary = "alignment of a language model on lists of labelled responses"
    yield Component("llm", "moft_llm.task:LLM", summary, packages=("transformers", "peft"), extra="llm")


@hookimpl
def moft_evaluators() -> Iterable[Component]:
    """Offers the metrics."""
    yield Component("preference", "moft_llm.preference_evaluator:Preference", "accuracy, margin or loss on held-out preferences")
    yield Component(
        "generation", "moft_llm.generation.generation_evaluator:Generation", "scores of generated text, by any scorer"
    )


@hookimpl
def moft_commands(app: typer.Typer, data: typer.Typer) -> None:
    """Adds `moft generate`, `moft export` and `moft data sample`."""
    from moft_llm.commands import add

    add(app, data)
