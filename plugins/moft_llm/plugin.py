"""Offers the language-model task, its evaluators, and its commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from moft import Component, hookimpl

if TYPE_CHECKING:
    import typer
    from rich.console import RenderableType

    from moft import OpenedRun
    from moft.api import Plugins, TextEngine, TextEngineSettings


@hookimpl
def moft_tasks() -> Iterable[Component]:
    """Offers the task."""
    summary = "alignment of a language model on prompts with labelled responses"
    yield Component("llm", "moft_llm.task:LLM", summary, packages=("transformers", "peft"), extra="llm")


@hookimpl
def moft_evaluators() -> Iterable[Component]:
    """Offers the evaluators."""
    yield Component("preference", "moft_llm.preference_evaluator:Preference", "accuracy, margin or loss on held-out preferences")
    yield Component(
        "generation", "moft_llm.generation.generation_evaluator:Generation", "scores of generated responses, by any scorers"
    )


@hookimpl
def moft_commands(app: typer.Typer, data: typer.Typer) -> None:
    """Adds `moft generate`, `moft export`, `moft data sample` and `moft data model`."""
    from moft_llm.commands import add

    add(app, data)


@hookimpl
def moft_describe_data(path: str, plugins: Plugins) -> Iterable[RenderableType] | None:
    """Describes prompts with labelled responses."""
    from moft_llm.label_conflicts import describe_data

    return describe_data(path, plugins)


@hookimpl
def moft_text_engine(run: OpenedRun, settings: TextEngineSettings) -> TextEngine | None:
    """Generates text of language models."""
    from moft_llm.task import LLM

    if not isinstance(run.task, LLM):
        return None
    from moft_llm.generation.opened_llm_run import LLMRun

    opened = LLMRun(run.folder.path, "moft serve", settings.threads, opened=run)
    if settings.engine == "vllm":
        from moft_llm.serving.vllm.engine import VLLMEngine

        return VLLMEngine(opened, settings)
    from moft_llm.serving.engine import BatchedEngine

    return BatchedEngine(opened, settings)


@hookimpl
def moft_export(run: OpenedRun, out: Path, options: Mapping[str, str]) -> Iterable[str] | None:
    """Exports language models."""
    from moft_llm.task import LLM

    if not isinstance(run.task, LLM):  # what follows needs packages that may be missing
        return None
    from moft_llm.export.export_run import export_llm

    return export_llm(run, out, options)
