"""Offers the language-model task, its readers and evaluators, and its commands."""

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
def moft_readers() -> Iterable[Component]:
    """Offers the readers of preference data."""
    of = "moft_llm.data.readers.offered"
    yield Component("lists", f"{of}:lists", "prompts with labelled responses, in moft's own format")
    yield Component(
        "pairs", f"{of}:pairs", "a chosen and a rejected response per row, of one file for each objective or one in all"
    )
    yield Component("rated", f"{of}:rated", "a response with ratings per row; rows of one prompt are a list")
    yield Component("columns", f"{of}:columns", "rows of any layout, by a mapping of paths")
    yield Component("joined", f"{of}:joined", "several readers, with lists of the same prompt joined")
    yield Component("hh", f"{of}:hh", "transcripts of Anthropic's HH, a file for each objective")
    yield Component("pku-saferlhf", f"{of}:pku_saferlhf", "pairs of PKU-SafeRLHF, with the better and the safer response")


@hookimpl
def moft_commands(app: typer.Typer, data: typer.Typer) -> None:
    """Adds `moft generate`, `moft chat`, `moft export`, `moft data sample` and `moft data model`."""
    from moft_llm.commands import add

    add(app, data)


@hookimpl
def moft_describe_data(path: str, plugins: Plugins) -> Iterable[RenderableType] | None:
    """Describes prompts with labelled responses, or what a config makes of them."""
    from moft_llm.described_config import describe_config, is_config
    from moft_llm.label_conflicts import describe_data

    return describe_config(path, plugins) if is_config(path) else describe_data(path, plugins)


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
