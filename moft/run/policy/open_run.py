"""A finished run, ready to be used: its task, its policy, and tradeoffs as users write them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from moft.config.build import resolve
from moft.engine.fronts.front_notes import substitutions
from moft.engine.fronts.profile import unmeasured
from moft.engine.policies.state_dict import own_state
from moft.engine.seed import seed_initialisation
from moft.errors import ConfigError, PluginError, RunError, ShapeError
from moft.files.cache_folder import cache_folder
from moft.files.safetensors import load_into, load_tensors
from moft.hooks.plugin_manager import Plugins
from moft.interfaces import Context, Policy, Task
from moft.run.checks.plugin_errors import missing_plugins
from moft.run.folder.run_folder import RunFolder
from moft.run.folder.versions import begun_in
from moft.run.policy.parse_weights import dial_of, parsed_dial, parsed_weights, tradeoff_at, weights_of
from moft.run.policy.score import scores_of
from moft.run.run_config import register_plugin_files
from moft.run.run_settings import RunSettings
from moft.types import Tradeoff, betas_of


@dataclass(frozen=True)
class OpenedRun:
    """A finished run, ready to be used.

    Args:
        folder: where it is.
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
        """Of the objectives, in order."""
        return tuple(objective.name for objective in self.task.objectives)

    def tradeoff(self, weights: str, dial: str = "1") -> Tradeoff:
        """One row, from what a user types: `0.2,0.8` or `clicks=0.2,dwell=0.8`, and times the trained betas.

        Raises:
            ConfigError: a number, a name or how many there are is wrong.
        """
        return tradeoff_at([parsed_weights(weights, self.names)], [parsed_dial(dial, self.names)], self.trained_betas)

    def tradeoffs(self, asked: Sequence[tuple[Any, Any, str]]) -> Tradeoff:
        """A row for each of what is asked: weights, times the trained betas, and where they stand.

        Args:
            asked: weights and dial as JSON has them, a list in the order of the objectives or an object by their names (a
                dial may also be one number for all of them), or text as for `tradeoff`.

        Raises:
            DataError: with where, when there is another number of them than of objectives, or a name or value is wrong.
            ConfigError: the same of a text.
        """
        weights, factors = [], []
        for weighted, times, where in asked:
            is_text = isinstance(weighted, str), isinstance(times, str)
            weights.append(parsed_weights(weighted, self.names) if is_text[0] else weights_of(weighted, self.names, where))
            factors.append(parsed_dial(times, self.names) if is_text[1] else dial_of(times, self.names, where))
        return tradeoff_at(weights, factors, self.trained_betas)

    def substitutions(self, tradeoff: Tradeoff) -> tuple[str, ...]:
        """For each row of weights that the policy has no model for, a sentence that says which weights answer."""
        return substitutions(self.policy, tradeoff, self.names)

    def betas_at(self, times: float | Sequence[float]) -> torch.Tensor:
        """`[1, m]`, the objectives' betas at a dial: one factor for all of them, or one for each.

        Raises:
            ShapeError: their number is not that of the objectives, or one is not above 0.
        """
        factors = torch.tensor(times, dtype=torch.float32)
        if factors.dim() and factors.shape != self.trained_betas.shape[1:]:
            raise ShapeError(f"dial {times} must be one number, or one for each of {self.trained_betas.shape[1]} objectives.")
        if not (torch.isfinite(factors) & (factors > 0)).all():
            raise ShapeError(f"dial {times} must be above 0; 1 is as trained, larger moves towards the base model.")
        return factors * self.trained_betas

    def scores(
        self,
        path: Path | str,
        weights: Sequence[float] | Sequence[Sequence[float]],
        *,
        dial: float | Sequence[float] = 1.0,
    ) -> list[float]:
        """The score of every item of a file, in its order; warns of weights in whose place the nearest trained ones answer.

        Args:
            path: lists, as the task reads them; labels may be absent.
            weights: m numbers for all lists, or m for each of them.
            dial: times the objectives' betas, > 0; above 1 moves towards the base model. One for each objective
                is for policies trained on betas that vary.

        Raises:
            ShapeError: weights are not on the simplex, of another length, or the dial is not positive.
            ConfigError: the policy cannot change the ratios of betas, and other ones are asked for.
        """
        rows = torch.tensor(weights, dtype=torch.float32)
        tradeoff = Tradeoff(rows if rows.dim() == 2 else rows.unsqueeze(0), self.betas_at(dial)).checked()
        for told in self.substitutions(tradeoff):
            warnings.warn(told, stacklevel=2)
        return scores_of(self.policy, self.task.read(Path(path)), tradeoff)


def open_run(path: Path, plugins: Plugins, *, device: str = "auto") -> OpenedRun:
    """The task and policy of a finished run.

    Raises:
        RunError: there is no finished run, or its files are not whole.
    """
    folder = RunFolder.open(path)
    if not (folder.policy / "policy.safetensors").exists():
        raise RunError(f"{path}: holds no finished policy; go on with its training by `moft train CONFIG --out {path} --resume`.")
    config = folder.resolved_config()
    try:
        kept = [str(folder.plugins / Path(file).name) for file in config.get("plugins", ())]
        register_plugin_files(kept, plugins, is_preferred=True)  # the run was trained by them, whatever has been installed since
        settings: RunSettings = resolve(RunSettings, config, plugins, home=begun_in(folder)).make()
    except (ConfigError, PluginError) as error:
        raise RunError(f"{path}: cannot be opened: {error}{missing_plugins(folder, plugins)}") from error
    place = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
    task = settings.task(Context(place, settings.seed, cache_folder()))
    task.restore(load_tensors(folder.policy / "task.safetensors"))
    seed_initialisation(settings.seed, "policy")
    policy = settings.method.policy(unmeasured(task))
    stored = folder.policy / "policy.safetensors"
    load_into(own_state(policy), load_tensors(stored), stored)
    policy.eval().to(place)
    return OpenedRun(folder, settings, task, policy)
