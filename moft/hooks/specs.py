"""The hooks of moft that plugins implement.

An offer hook takes no arguments and yields `Component` records, which configs select by name. Observer hooks are called during
runs; one that raises is reported once and does not end the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from moft.hooks.component_record import Component

if TYPE_CHECKING:
    import typer
    from rich.console import RenderableType

    from moft.hooks.plugin_manager import Plugins
    from moft.interfaces import TextEngine, TextEngineSettings
    from moft.types import Front, Run

hookspec = pluggy.HookspecMarker("moft")
hookimpl = pluggy.HookimplMarker("moft")


@hookspec
def moft_tasks() -> Iterable[Component]:
    """Offer tasks, which read data and provide the model. Target: `(context: Context, *, ...) -> Task`.

    A task class with `starting_config` also serves `moft new config`.

    Example:
        @hookimpl
        def moft_tasks():
            yield Component("my-lists", "my_package.task:MyLists", "lists from my database")
    """


@hookspec
def moft_methods() -> Iterable[Component]:
    """Offer methods, which train a policy. Target: `(*, ...) -> Method`.

    Example:
        @hookimpl
        def moft_methods():
            yield Component("my-method", "my_package.method:MyMethod", "one model per objective")
    """


@hookspec
def moft_losses() -> Iterable[Component]:
    """Offer losses of one objective on one list. Target: `(*, ...) -> Loss`.

    Example:
        @hookimpl
        def moft_losses():
            yield Component("my-loss", "my_package.loss:MyLoss", "squared error of rewards")
    """


@hookspec
def moft_scalarizers() -> Iterable[Component]:
    """Offer scalarizers, which combine the losses of all objectives into one number. Target: `(*, ...) -> Scalarizer`.

    Example:
        @hookimpl
        def moft_scalarizers():
            yield Component("my-max", "my_package.scalarizer:WorstCase", "the largest weighted loss")
    """


@hookspec
def moft_conditioners() -> Iterable[Component]:
    """Offer conditioners, which turn a tradeoff into an injection. Target: `(spec: ModelSpec, *, ...) -> Conditioner`.

    Example:
        @hookimpl
        def moft_conditioners():
            yield Component("my-shift", "my_package.conditioner:Shift", "a learned shift at the input")
    """


@hookspec
def moft_samplers() -> Iterable[Component]:
    """Offer samplers of objective weights or betas. Target: `(size: int, *, ...) -> Sampler`.

    Example:
        @hookimpl
        def moft_samplers():
            yield Component("my-sobol", "my_package.sampler:Sobol", "scrambled Sobol points on the simplex")
    """


@hookspec
def moft_evaluators() -> Iterable[Component]:
    """Offer evaluators, which measure a steered policy list by list.

    Target: `(objectives: tuple[Objective, ...], main: Objective | None, *, ...) -> Evaluator`.

    Example:
        @hookimpl
        def moft_evaluators():
            yield Component("my-mrr", "my_package.evaluator:ReciprocalRank", "mean reciprocal rank")
    """


@hookspec
def moft_indicators() -> Iterable[Component]:
    """Offer indicators, which summarise a front by one number. Target: `(*, ...) -> Indicator`.

    Example:
        @hookimpl
        def moft_indicators():
            yield Component("my-width", "my_package.indicator:Width", "largest distance between two points")
    """


@hookspec
def moft_scorers() -> Iterable[Component]:
    """Offer scorers, which rate a response to a prompt by one number. Target: `(*, ...) -> Scorer`.

    Example:
        @hookimpl
        def moft_scorers():
            yield Component("my-questions", "my_package.scorer:Questions", "number of questions asked")
    """


@hookspec
def moft_trackers() -> Iterable[Component]:
    """Offer trackers, which send curves and results of a run to another program. Target: `(run: Run, *, ...) -> Tracker`.

    A tracker is used only in runs whose config names it; an observer is called in every run.

    Example:
        @hookimpl
        def moft_trackers():
            yield Component("my-board", "my_package.tracker:Board", "losses and fronts on my board")
    """


@hookspec
def moft_readers() -> Iterable[Component]:
    """Offer readers, which give prompts with labelled responses. Target: `(*, ...) -> Reader`.

    Example:
        @hookimpl
        def moft_readers():
            yield Component("my-votes", "my_package.reader:Votes", "answers with votes from my database")
    """


@hookspec
def moft_commands(app: typer.Typer, data: typer.Typer) -> None:
    """Add commands to the command line.

    Args:
        app: the application `moft`.
        data: the group `moft data`.

    Example:
        @hookimpl
        def moft_commands(app):
            @app.command("my-command")
            def my_command() -> None:
                print("hello")
    """


@hookspec
def moft_describe_data(path: str, plugins: Plugins) -> Iterable[RenderableType] | None:
    """Describe data of a kind of your own, for `moft data describe`.

    Return None for data of another kind; without reading more than its name and its first row. An error in the data raises
    `DataError`.

    Args:
        path: of a file or a folder, as the user typed it.
        plugins: which offer losses and other components.

    Example:
        @hookimpl
        def moft_describe_data(path):
            return ["A table of votes."] if path.endswith(".votes") else None
    """


@hookspec
def moft_export(run: Any, out: Path, options: Mapping[str, str]) -> Iterable[str] | None:
    """Export a run of a task of your own, for `moft export`.

    Return None for a run of another task, and else lines that say what was written. What is wrong raises `ConfigError`, before
    anything is written.

    Args:
        run: the opened run, as from `moft.open_run`.
        out: the folder to write; nothing is there, or an empty folder. `moft.api.atomic_folder` fills it whole or not at all.
        options: the options that were given, by name without dashes, such as `as` and `weights`; refuse those that you do not
            know. Several values of `weights` or `dataset` are one text, with `; ` between them.

    Example:
        @hookimpl
        def moft_export(run, out, options):
            return [f"{out}: written."] if isinstance(run.task, MyTask) else None
    """


@hookspec
def moft_text_engine(run: Any, settings: TextEngineSettings) -> TextEngine | None:
    """Generate text of a run of a task of your own, for `moft serve` and `run.generate`.

    Return None for a run of another task. What is wrong raises `ConfigError`, before a thread is started; so does an engine in
    the settings that you do not have. An engine that rounds weights has the method of `moft.api.RoundsWeights`, too.

    Args:
        run: the opened run, as from `moft.open_run`.
        settings: which engine, and how much it does at once.

    Example:
        @hookimpl
        def moft_text_engine(run, settings):
            return MyEngine(run, settings) if isinstance(run.task, MyTask) else None
    """


@hookspec
def moft_run_started(run: Run) -> None:
    """A run starts, or continues after a resume.

    Example:
        @hookimpl
        def moft_run_started(run):
            print("started", run.name)
    """


@hookspec
def moft_step_ended(run: Run, step: int, values: Mapping[str, float | str]) -> None:
    """A step of a job ended.

    Args:
        run: the run.
        step: number of the step in this job, from 1.
        values: `job`, `epoch`, `epochs`, `progress` (0 to 1), `loss`, `gradient`, `learning_rate`, `seconds` (of the job),
            `lists` (seen by the job so far); after an evaluation its values too.

    Example:
        @hookimpl
        def moft_step_ended(step, values):
            print(step, values["loss"])
    """


@hookspec
def moft_points_measured(run: Run, done: int, points: int) -> None:
    """Points of a front were measured. Called only if the evaluator takes long, such as one that generates text.

    Args:
        run: the run.
        done: number of points measured so far. A front begins with a call that says how many there are already: 0, or more when
            an interrupted one is gone on with.
        points: number of points to measure, with the base model if it is measured too.

    Example:
        @hookimpl
        def moft_points_measured(done, points):
            print(done, "of", points)
    """


@hookspec
def moft_front_profiled(run: Run, front: Front) -> None:
    """A policy was measured over a grid.

    Example:
        @hookimpl
        def moft_front_profiled(front):
            print(front.points)
    """


@hookspec
def moft_run_ended(run: Run, error: BaseException | None) -> None:
    """A run ended; `error` is None if it succeeded.

    Example:
        @hookimpl
        def moft_run_ended(run, error):
            print(run.name, "failed" if error else "done")
    """
