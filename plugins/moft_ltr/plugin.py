"""Learning to rank: the task, its metric, a method of rankers alone, and the commands for its data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from moft import Component, hookimpl

if TYPE_CHECKING:
    import typer

    from moft import OpenedRun


@hookimpl
def moft_tasks() -> Iterable[Component]:
    """The ranking task."""
    yield Component("ltr", "moft_ltr.task:LTR", "learning to rank over svmlight files with qid")


@hookimpl
def moft_methods() -> Iterable[Component]:
    """The baseline of ranking teams."""
    yield Component(
        "lightgbm-ls",
        "moft_ltr.lightgbm_ls.method:LightGBMLS",
        "a LightGBM ranker for each weighting of a grid, on mixed labels",
    )


@hookimpl
def moft_evaluators() -> Iterable[Component]:
    """The ranking metric."""
    yield Component(
        "ndcg", "moft_ltr.metrics.ndcg:NDCG", "NDCG@k, or the metrics of each objective, by query, with conventions as settings"
    )


@hookimpl
def moft_commands(app: typer.Typer, data: typer.Typer) -> None:
    """Adds the commands of `moft data`."""
    from moft_ltr.commands import add

    add(app, data)


@hookimpl
def moft_export(run: OpenedRun, out: Path, options: Mapping[str, str]) -> Iterable[str] | None:
    """Exports rankers."""
    from moft_ltr.export.export_ranker import export_ranker

    return export_ranker(run, out, options)
