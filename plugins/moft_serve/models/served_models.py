"""The runs that are served, by name; a reload puts a new one in the place of the old."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from moft import ConfigError, MoftError, open_run
from moft.api import ReadsArrays, TextEngineSettings
from moft_serve.http.errors import ApiError
from moft_serve.http.logs import log

if TYPE_CHECKING:
    from moft import BatchScorer, MeasuredOutcomes, NamedChoice, OpenedRun, PredictedChoice
    from moft.api import Plugins, TextEngine

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Of a served run; a colon would begin its weights."""


@dataclass(frozen=True, eq=False)
class Served:
    """A run that is served. It never changes: a reload makes another one, and requests that have this one go on with it.

    Args:
        name: that clients know it by.
        path: the run folder.
        run: opened.
        scorer: of a ranker; None for a language model.
        choices: of the run when it was opened, by name.
        outcomes: that were measured by then; None if nothing was.
        opened: seconds since 1970.
        wishes: answers that were found, by wish.
        engine: of a language model; None for a ranker.
    """

    name: str
    path: Path
    run: OpenedRun
    scorer: BatchScorer | None
    choices: Mapping[str, NamedChoice]
    outcomes: MeasuredOutcomes | None
    opened: float = field(default_factory=time.time)
    wishes: dict[str, PredictedChoice] = field(default_factory=dict)
    engine: TextEngine | None = None

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names, in order."""
        return self.run.names


class Models:
    """The served runs by name.

    Args:
        served: with different names.
    """

    def __init__(self, served: Sequence[Served]) -> None:
        self._served = {each.name: each for each in served}

    def __iter__(self) -> Iterator[Served]:
        return iter(list(self._served.values()))

    @property
    def names(self) -> list[str]:
        """In the order of the command line."""
        return list(self._served)

    def get(self, name: str | None) -> Served:
        """A run by its name; the only one without.

        Raises:
            ApiError: there is none, or several and no name; 404 or 400.
        """
        if name is None and len(self._served) == 1:
            return next(iter(self._served.values()))
        known = ", ".join(self._served)
        if name is None:
            raise ApiError(400, f"model: is missing; this server has {known}.", param="model", code="missing_model")
        if name not in self._served:
            raise ApiError(404, f"model: there is no {name!r}; this server has {known}.", param="model", code="model_not_found")
        return self._served[name]

    def put(self, served: Served) -> None:
        """Puts a run in the place of the one of its name."""
        self._served[served.name] = served


Opener = Callable[[str, Path], Served]
"""Opens a run under a name, and checks that it can be served; it raises a `MoftError` if not."""


def paths_by_name(words: Sequence[str]) -> dict[str, Path]:
    """The run folders of a command line, `RUN` or `NAME=RUN`, by name; without one it is that of the folder.

    Raises:
        ConfigError: a name is given twice, or is none.
    """
    found: dict[str, Path] = {}
    for word in words:
        before, equals, after = word.partition("=")
        is_named = bool(equals) and "/" not in before and not Path(word).exists()
        name, path = (before, Path(after)) if is_named else (Path(os.path.abspath(word)).name, Path(word))
        if not NAME.fullmatch(name):
            raise ConfigError(
                f"{word}: {name!r} is no name for a model: 1 to 100 letters, digits, '.', '_' and '-'; write NAME={path}."
            )
        if name in found:
            raise ConfigError(f"{word}: {found[name]} is served as {name!r} already; write NAME={path} with another name.")
        found[name] = path
    return found


def opener(
    plugins: Plugins,
    *,
    trust: bool,
    device: str = "auto",
    texts: TextEngineSettings = TextEngineSettings(),  # noqa: B008 - a frozen record
) -> Opener:
    """What opens runs.

    Args:
        plugins: that are loaded.
        trust: the user trusts the plugin files of the runs.
        device: `auto` or `cpu`.
        texts: how many are generated at once, and how.
    """
    is_elsewhere = texts.engine != "transformers"  # so a language model must not take the memory of a GPU here

    def open_served(name: str, path: Path) -> Served:
        run = open_run(path, device="cpu" if is_elsewhere else device, trust=trust, plugins=plugins)
        if (engine := _engine(run, plugins, texts)) is not None:
            return Served(name, path, run, None, _choices(run, name), _outcomes(run, name), engine=engine)
        if is_elsewhere:
            run = open_run(path, device=device, trust=trust, plugins=plugins)
        if not isinstance(run.task, ReadsArrays):
            raise ConfigError(f"{path}: `moft serve` takes rankers and language models, and this run's task is neither.")
        scorer = run.batch_scorer()
        tried = np.zeros((2, len(scorer.features)), dtype=np.float32)
        scorer([tried], run.tradeoffs([([1 / len(run.names)] * len(run.names), None, str(path))]))
        return Served(name, path, run, scorer, _choices(run, name), _outcomes(run, name))

    return open_served


def _engine(run: OpenedRun, plugins: Plugins, settings: TextEngineSettings) -> TextEngine | None:
    """What generates text of a run; None where nothing does."""
    engines = (hook(run=run, settings=settings) for hook in plugins.implementations("moft_text_engine"))
    return next((engine for engine in engines if engine is not None), None)


def _choices(run: OpenedRun, name: str) -> dict[str, NamedChoice]:
    """The choices of a run; the log tells of those that are damaged or of another policy, which are left out."""
    found = {}
    for choice in run.choice_names():
        try:
            found[choice] = run.choice(choice)
        except MoftError as error:
            log("choice not served", logging.WARNING, model=name, choice=choice, reason=str(error))
    return found


def _outcomes(run: OpenedRun, name: str) -> MeasuredOutcomes | None:
    """What was measured of a run; the log tells why it cannot be read."""
    try:
        return run.measured_outcomes()
    except MoftError as error:
        log("no predictions", logging.WARNING, model=name, reason=str(error))
    return None
