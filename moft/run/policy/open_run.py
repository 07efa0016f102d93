"""Opens a finished run: restores its task and policy, to be measured or to score data."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import torch

from moft.engine.fronts.front_caveats import substitutions
from moft.engine.fronts.measure_front import problem_without_validation
from moft.engine.seed import seed_initialisation
from moft.errors import ConfigError, MoftError, PluginError, RunError, ShapeError
from moft.files.cache_folder import cache_folder
from moft.hooks.plugin_manager import Plugins
from moft.interfaces import Context, Policy, ReadsArrays, ReadsFrames, Task
from moft.renames import missing_attribute
from moft.run.checks.plugin_errors import missing_plugins
from moft.run.folder.plugin_copies import recorded_copies
from moft.run.folder.run_folder import RunFolder
from moft.run.folder.start_folders import by_data, placements
from moft.run.policy.list_scorer import ListScorer
from moft.run.policy.parse_weights import dial_from_json, parse_dial, parse_weights, tradeoff_at, weights_from_json
from moft.run.policy.policy_files import POLICY, restore_policy, restore_task
from moft.run.policy.score import Scores, scores_of
from moft.run.run_config import register_trusted
from moft.run.run_settings import RunSettings, plugin_files
from moft.types import Batches, Tradeoff, betas_of

Weights: TypeAlias = Sequence[float] | Mapping[str, float]
"""Of one tradeoff: in the order of the objectives, or by their names."""


@dataclass(frozen=True)
class OpenedRun:
    """A finished run with its task and policy.

    Args:
        folder: of the run.
        settings: of the run.
        task: restored.
        policy: restored.
    """

    folder: RunFolder
    settings: RunSettings
    task: Task
    policy: Policy

    @property
    def trained_betas(self) -> torch.Tensor:
        """`[1, m]`, the objectives' betas."""
        return betas_of(self.task.objectives)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the objectives, in order."""
        return tuple(objective.name for objective in self.task.objectives)

    def tradeoff(self, weights: str, dial: str = "1") -> Tradeoff:
        """A tradeoff of one row, from weights and a dial as text, such as `0.2,0.8` or `clicks=0.2,dwell=0.8`.

        Raises:
            ConfigError: a value, a name or the number of values is wrong.
        """
        return tradeoff_at([parse_weights(weights, self.names)], [parse_dial(dial, self.names)], self.trained_betas)

    def tradeoffs(self, requests: Sequence[tuple[Any, Any, str]]) -> Tradeoff:
        """A tradeoff with a row for each request.

        Args:
            requests: weights, dial, and the place of the two for messages. Weights and dial are JSON values (a list in the
                order of the objectives, or an object by their names; a dial may be one number) or text as for `tradeoff`.

        Raises:
            DataError: a JSON value, a name or the number of values is wrong; the message has the place.
            ConfigError: the same for text.
        """
        weights, factors = [], []
        for row, dial, where in requests:
            is_text = isinstance(row, str), isinstance(dial, str)
            weights.append(parse_weights(row, self.names) if is_text[0] else weights_from_json(row, self.names, where))
            factors.append(parse_dial(dial, self.names) if is_text[1] else dial_from_json(dial, self.names, where))
        return tradeoff_at(weights, factors, self.trained_betas)

    def substitutions(self, tradeoff: Tradeoff) -> tuple[str, ...]:
        """A sentence for each row of weights that the policy has no model for, with the weights that serve it."""
        return substitutions(self.policy, tradeoff, self.names)

    def betas_at(self, dial: float | Sequence[float]) -> torch.Tensor:
        """`[1, m]`, the objectives' betas at a dial: one factor for all of them, or one for each.

        Raises:
            ShapeError: there are not as many factors as objectives, or one is not above 0.
        """
        factors = torch.tensor(dial, dtype=torch.float32)
        if factors.dim() and factors.shape != self.trained_betas.shape[1:]:
            raise ShapeError(f"dial {dial} must be one number, or one for each of {self.trained_betas.shape[1]} objectives.")
        if not (torch.isfinite(factors) & (factors > 0)).all():
            raise ShapeError(f"dial {dial} must be above 0; 1 is as trained, larger moves towards the base model.")
        return factors * self.trained_betas

    def scores(
        self,
        data: object,
        weights: Weights | Sequence[Weights],
        *,
        dial: float | Sequence[float] = 1.0,
    ) -> Scores:
        """The score of every item of a file or frame, in its order; warns if the nearest trained weights serve some given ones.

        Args:
            data: path of a file in the format of the task, or, if the task takes them, a frame such as a DataFrame; labels may
                be absent.
            weights: for all lists, or for each list: m numbers, or numbers by objective, such as `{"clicks": 1.0}`, where those
                left out have weight 0.
            dial: factor on the trained betas, above 0; above 1 is closer to the base model. Factors that differ between
                objectives need a policy that was trained on varying betas.

        Returns: a list of floats whose attributes `lists` and `items` have the ids of each item's list and of each item.

        Raises:
            ShapeError: weights are not on the simplex or not m, or the dial is not above 0.
            ConfigError: the dial changes the ratios of the betas, which the policy does not support, or the task takes no frames.
            DataError: the data has an error, or a name in the weights is no objective.
        """
        return scores_of(self.policy, self._read(data), self._tradeoff(weights, dial))

    def scorer(self, weights: Weights, *, dial: float | Sequence[float] = 1.0) -> ListScorer:
        """Scores one list after another from arrays in memory, at one weighting; warns if the nearest trained weights serve it.

        Everything that does not depend on a list is done once, here. The scores are those of `scores`, up to the rounding of
        32-bit numbers.

        Args:
            weights: m numbers, or numbers by objective, where those left out have weight 0.
            dial: as for `scores`.

        Raises:
            ShapeError: weights are not on the simplex or not m, or the dial is not above 0.
            ConfigError: the dial changes the ratios of the betas, which the policy does not support, or the task takes no arrays.
            DataError: a name in the weights is no objective.
        """
        tradeoff = self._tradeoff(weights, dial)
        if len(tradeoff) != 1:
            raise ShapeError(f"a scorer has one weighting, not {len(tradeoff)}; make a scorer for each.")
        if not isinstance(self.task, ReadsArrays):
            raise ConfigError("the task of the run takes no arrays; score a file with `scores`.")
        return ListScorer(self.task.array_reader(), self.policy, tradeoff)

    def _tradeoff(self, weights: Weights | Sequence[Weights], dial: float | Sequence[float]) -> Tradeoff:
        rows = torch.tensor(self._rows(weights), dtype=torch.float32)
        tradeoff = Tradeoff(rows if rows.dim() == 2 else rows.unsqueeze(0), self.betas_at(dial)).checked()
        for sentence in self.substitutions(tradeoff):
            warnings.warn(sentence, stacklevel=3)
        return tradeoff

    def _rows(self, weights: Weights | Sequence[Weights]) -> Any:
        """Weights as numbers, in the order of the objectives."""
        if isinstance(weights, Mapping):
            return weights_from_json(dict(weights), self.names, "scores")
        if any(isinstance(row, Mapping) for row in weights):
            return [
                weights_from_json(dict(row) if isinstance(row, Mapping) else row, self.names, f"scores, list {number}")
                for number, row in enumerate(weights, start=1)
            ]
        return weights

    def _read(self, data: object) -> Batches:
        if isinstance(data, str | Path):
            return self.task.read(Path(data))
        if not isinstance(self.task, ReadsFrames):
            raise ConfigError(f"the task of the run takes no {type(data).__name__}; give the path of a file.")
        return self.task.read_frame(data)

    if not TYPE_CHECKING:  # else type checkers would accept any attribute

        def __getattr__(self, name: str) -> NoReturn:
            raise missing_attribute(self, name)


def open_run(path: Path, plugins: Plugins, *, device: str = "auto", trust: bool = False, is_measured: bool = False) -> OpenedRun:
    """The task and policy of a finished run.

    Args:
        path: the run folder.
        plugins: to which the run's plugin files are added, which runs them.
        device: `auto` or `cpu`.
        trust: the user trusts the run's plugin files now.
        is_measured: the splits of the run will be read. Of several places for its relative paths, that with the data it was
            trained on is taken, and not the first one with its base model.

    Raises:
        RunError: there is no finished run, its files are damaged, another version of moft made it, or it has plugin files that
            it does not record or that the user has not trusted.
    """
    folder = RunFolder.open(path)
    if not (folder.policy / POLICY).exists():
        raise RunError(f"{path}: has no finished policy; resume its training by `moft train CONFIG --out {path} --resume`.")
    config = folder.resolved_config()
    try:
        copies = recorded_copies(folder, plugin_files(config.get("plugins", ())))
        register_trusted(copies, plugins, trust=trust, is_preferred=True)  # the run was trained with them, not with newer ones
        without_trackers = {**config, "trackers": []}  # which are for training, and may need secrets
        ways = placements(folder, without_trackers, plugins)
        candidates: list[RunSettings] = [way.make() for _, way in (by_data(folder, ways) if is_measured else ways)]
    except (ConfigError, PluginError) as error:
        raise RunError(f"{path}: cannot be opened: {error}{missing_plugins(folder, plugins)}") from error
    place = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
    settings, task = _restored(folder, candidates, place)
    seed_initialisation(settings.seed, "policy")
    policy = settings.method.policy(problem_without_validation(task))
    restore_policy(folder, policy)
    policy.eval().to(place)
    return OpenedRun(folder, settings, task, policy)


def _restored(folder: RunFolder, candidates: Sequence[RunSettings], device: torch.device) -> tuple[RunSettings, Task]:
    """The first of the settings whose task can be restored, and this task; without one, the error of the first is raised."""
    failures: list[MoftError | OSError] = []
    for settings in candidates:
        try:
            task = settings.task(Context(device, settings.seed, cache_folder()))
            restore_task(folder, task)
        except (MoftError, OSError) as error:
            failures.append(error)
        else:
            return settings, task
    raise failures[0]
