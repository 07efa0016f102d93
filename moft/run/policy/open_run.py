"""Opens a finished run: restores its task and policy, to be measured or to score data."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import torch

from moft.engine.choices.search import DialledWeights
from moft.engine.choices.wish_settings import WishSettings, is_choice_name
from moft.engine.fronts.front_caveats import substitutions
from moft.engine.fronts.measure_front import problem_without_validation
from moft.engine.policies.conditioned_policy import common_multiple
from moft.engine.seed import seed_initialisation
from moft.errors import ConfigError, MoftError, PluginError, RunError, ShapeError
from moft.files.cache_folder import cache_folder
from moft.hooks.plugin_manager import Plugins
from moft.interfaces import ArrayReader, Context, OffersPrompts, Policy, ReadsArrays, ReadsFrames, Task
from moft.renames import missing_attribute
from moft.run.checks.plugin_errors import missing_plugins
from moft.run.folder.plugin_copies import recorded_copies
from moft.run.folder.run_folder import RunFolder
from moft.run.folder.start_folders import by_data, placements
from moft.run.policy.batch_scorer import BatchScorer
from moft.run.policy.choices.choice_files import NamedChoice, choice_names, read_choice
from moft.run.policy.choices.expected_outcomes import Expected, MeasuredOutcomes, expected_outcomes, measured_outcomes
from moft.run.policy.choices.make_choice import make_choice
from moft.run.policy.choices.predicted_choice import PredictedChoice, predicted_choice
from moft.run.policy.list_scorer import ListScorer
from moft.run.policy.parse_weights import dial_from_json, parse_dial, parse_weights, tradeoff_at, weights_from_json
from moft.run.policy.policy_files import POLICY, restore_policy, restore_task
from moft.run.policy.run_page import SteeringPage
from moft.run.policy.score import Scores, scores_of
from moft.run.policy.texts.text_generation import TextGeneration
from moft.run.run_config import register_trusted
from moft.run.run_settings import RunSettings, plugin_files
from moft.types import Batches, Tradeoff, betas_of

_FOR_MEASURING = ("profile.evaluator", "profile.validation_evaluator")
"""Settings that only measuring needs; whoever scores or generates needs neither their packages nor their models."""

Weights: TypeAlias = Sequence[float] | Mapping[str, float] | str
"""Of one tradeoff: in the order of the objectives, by their names, or as text as on the command line, such as a choice's name."""


@dataclass(frozen=True)
class OpenedRun:
    """A finished run with its task and policy.

    Args:
        folder: of the run.
        settings: of the run.
        task: restored.
        policy: restored.
        plugins: that are loaded; None loads them where they are needed.
    """

    folder: RunFolder
    settings: RunSettings
    task: Task
    policy: Policy
    plugins: Plugins | None = field(default=None, repr=False, compare=False)

    @cached_property
    def generate(self) -> TextGeneration:
        """Generates text: `run.generate(prompts, weights)` gives texts, `run.generate.stream(prompts, weights)` pieces."""
        return TextGeneration(self)

    @property
    def trained_betas(self) -> torch.Tensor:
        """`[1, m]`, the objectives' betas."""
        return betas_of(self.task.objectives)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the objectives, in order."""
        return tuple(objective.name for objective in self.task.objectives)

    def tradeoff(self, weights: str, dial: str | None = None) -> Tradeoff:
        """A tradeoff of one row, from weights and a dial as text.

        Args:
            weights: such as `0.2,0.8`, `clicks=0.2,dwell=0.8`, or the name of a choice of the run, which has a dial of its own.
            dial: such as `2`; None for 1.

        Raises:
            ConfigError: a value, a name or the number of values is wrong.
            RunError: the file of a choice is damaged.
        """
        return self.tradeoffs([(weights, dial, "--weights")])

    def choice(self, name: str, where: str = "choice") -> NamedChoice:
        """A choice of the run by its name; `where` is for messages.

        Raises:
            ConfigError: the run has no choice of this name.
            RunError: its file is damaged, or it was made for another policy.
        """
        return read_choice(self.folder, name, self.names, where)

    def choice_names(self) -> list[str]:
        """Names of all choices of the run, of damaged ones, too."""
        return choice_names(self.folder)

    def choices(self) -> dict[str, NamedChoice]:
        """All choices of the run, by name.

        Raises:
            RunError: a file is damaged, or of another policy.
        """
        return {name: self.choice(name) for name in self.choice_names()}

    def choice_of(self, weights: str) -> NamedChoice | None:
        """The choice that a user's weights name; None where they are weights."""
        return self.choice(weights, "--weights") if is_choice_name(weights) else None

    @property
    def steering_page(self) -> SteeringPage:
        """The page on which the run is steered."""
        return SteeringPage(self.folder, str(self.folder.path), isinstance(self.task, OffersPrompts))

    def choose(
        self,
        wish: WishSettings | None = None,
        *,
        name: str | None = None,
        on_progress: Callable[[int, int], None] | None = None,
        **settings: Any,
    ) -> NamedChoice:
        """The weights and the dial that fulfil a wish, kept in the run under a name.

        They are found on the validation split and measured once on the test split. A wish that was chosen before is not measured
        again.

        Args:
            wish: settings of the wish; None for those given as `settings`.
            name: of the choice; None for the first of choice-1, choice-2 that is free.
            on_progress: called with the number of measured tradeoffs and of all, where measuring one takes minutes.
            settings: of a `WishSettings`, such as `keep=["main >= 99% of base"], maximise="clicks"`.

        Raises:
            ConfigError: the wish cannot be checked, or there are too few lists to promise anything.
            RunError: the name is taken, or another process chooses.
        """
        return make_choice(self, WishSettings(**settings) if wish is None else wish, name, on_progress)

    def expect(self, weights: Weights, *, dial: float | None = None) -> dict[str, Expected]:
        """What outcomes to expect at some weights, by name: predicted from what was measured for the latest choice.

        Args:
            weights: m numbers, numbers by objective, or the name of a choice, which has a dial of its own.
            dial: factor on the trained betas.

        Raises:
            ConfigError: nothing was measured for a choice yet.
            RunError: its file is damaged, or it is of another policy.
        """
        return self.expect_at(self._tradeoff(weights, dial))

    def expect_at(self, tradeoff: Tradeoff) -> dict[str, Expected]:
        """The same for a tradeoff of one row."""
        if len(tradeoff) != 1:
            raise ShapeError(f"outcomes are predicted for one weighting, not {len(tradeoff)}; ask for each.")
        factor = common_multiple(tradeoff, self.trained_betas).item()
        return expected_outcomes(self.folder, tradeoff.weights, factor)

    def measured_outcomes(self) -> MeasuredOutcomes:
        """What was measured of the policy for its latest choice, or, before there is one, for its front.

        Raises:
            ConfigError: nothing was measured.
            RunError: a file is damaged, or of another policy.
        """
        return measured_outcomes(self.folder, self.trained_betas.cpu())

    def predicted_choice(self, outcomes: MeasuredOutcomes, **wish: Any) -> PredictedChoice:
        """The weights and the dial that are predicted to fulfil a wish; at once, without data, and without a promise.

        Args:
            outcomes: of the run, as `measured_outcomes` gives them.
            wish: settings of a `WishSettings`, such as `keep=["main >= 99% of base"], maximise="clicks"`.

        Raises:
            ConfigError: the wish cannot be checked.
        """

        def served(places: DialledWeights) -> DialledWeights:
            tradeoff = Tradeoff(places.weights, places.dials.unsqueeze(1) * self.trained_betas.cpu())
            return replace(places, weights=self.policy.served(tradeoff).expand(len(places)).weights.to(places.weights))

        return predicted_choice(outcomes, WishSettings(**wish), served)

    def tradeoffs(self, requests: Sequence[tuple[Any, Any, str]], option: str = "--weights") -> Tradeoff:
        """A tradeoff with a row for each request.

        Args:
            requests: weights, dial, and the place of the two for messages. Weights and dial are JSON values (a list in the
                order of the objectives, or an object by their names; a dial may be one number) or text as for `tradeoff`. None is
                a dial of 1.
            option: where weights as text are, for messages.

        Raises:
            DataError: a JSON value, a name or the number of values is wrong; the message has the place.
            ConfigError: the same for text.
        """
        weights, factors = [], []
        for row, dial, where in requests:
            if is_choice_name(row):
                own, of_choice = self._of_choice(row, dial, where)
                weights.append(own)
                factors.append(of_choice)
                continue
            given = "1" if dial is None else dial
            is_text = isinstance(row, str), isinstance(given, str)
            weights.append(parse_weights(row, self.names, option) if is_text[0] else weights_from_json(row, self.names, where))
            factors.append(parse_dial(given, self.names) if is_text[1] else dial_from_json(given, self.names, where))
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
        dial: float | Sequence[float] | None = None,
    ) -> Scores:
        """The score of every item of a file or frame, in its order; warns if the nearest trained weights serve some given ones.

        Args:
            data: path of a file in the format of the task, or, if the task takes them, a frame such as a DataFrame; labels may
                be absent.
            weights: for all lists, or for each list: m numbers, or numbers by objective, such as `{"clicks": 1.0}`, where those
                left out have weight 0. For all lists also the name of a choice, which has a dial of its own.
            dial: factor on the trained betas, above 0; above 1 is closer to the base model; None for 1. Factors that differ
                between objectives need a policy that was trained on varying betas.

        Returns: a list of floats whose attributes `lists` and `items` have the ids of each item's list and of each item.

        Raises:
            ShapeError: weights are not on the simplex or not m, or the dial is not above 0.
            ConfigError: the dial changes the ratios of the betas, which the policy does not support, or the task takes no frames.
            DataError: the data has an error, or a name in the weights is no objective.
        """
        return scores_of(self.policy, self._read(data), self._tradeoff(weights, dial))

    def scorer(self, weights: Weights, *, dial: float | Sequence[float] | None = None) -> ListScorer:
        """Scores one list after another from arrays in memory, at one weighting; warns if the nearest trained weights serve it.

        Everything that does not depend on a list is done once, here. The scores are those of `scores`, up to the rounding of
        32-bit numbers.

        Args:
            weights: m numbers, numbers by objective, where those left out have weight 0, or the name of a choice.
            dial: as for `scores`.

        Raises:
            ShapeError: weights are not on the simplex or not m, or the dial is not above 0.
            ConfigError: the dial changes the ratios of the betas, which the policy does not support, or the task takes no arrays.
            DataError: a name in the weights is no objective.
        """
        tradeoff = self._tradeoff(weights, dial)
        if len(tradeoff) != 1:
            raise ShapeError(f"a scorer has one weighting, not {len(tradeoff)}; make a scorer for each.")
        return ListScorer(self._array_reader(), self.policy, tradeoff)

    def batch_scorer(self) -> BatchScorer:
        """Scores several lists at a time from arrays in memory, each at a tradeoff of its own; see `tradeoffs`.

        Raises:
            ConfigError: the task takes no arrays.
        """
        return BatchScorer(self._array_reader(), self.policy)

    def _array_reader(self) -> ArrayReader:
        if not isinstance(self.task, ReadsArrays):
            raise ConfigError("the task of the run takes no arrays; score a file with `scores`.")
        return self.task.array_reader()

    def _of_choice(self, name: str, dial: object, where: str) -> tuple[list[float], list[float]]:
        """Weights of a choice, and factors on the trained betas."""
        choice = self.choice(name, where)
        if dial is not None:
            raise ConfigError(f"{where} {name!r}: this choice has a dial of its own, {choice.dial:.4g}; leave the dial out.")
        return [choice.weights[each] for each in self.names], [choice.dial] * len(self.names)

    def _tradeoff(self, weights: Weights | Sequence[Weights], dial: float | Sequence[float] | None) -> Tradeoff:
        if isinstance(weights, str):
            given = list(dial) if isinstance(dial, Sequence) else dial
            return self._noted(self.tradeoffs([(weights, given, "weights")]))
        rows = torch.tensor(self._rows(weights), dtype=torch.float32)
        return self._noted(Tradeoff(rows if rows.dim() == 2 else rows.unsqueeze(0), self.betas_at(1.0 if dial is None else dial)))

    def _noted(self, tradeoff: Tradeoff) -> Tradeoff:
        """A checked tradeoff; warns if the nearest trained weights serve it."""
        tradeoff.checked()
        for sentence in self.substitutions(tradeoff):
            warnings.warn(sentence, stacklevel=4)
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
        ways = placements(folder, without_trackers, plugins, late=_FOR_MEASURING)
        candidates: list[RunSettings] = [way.make() for _, way in (by_data(folder, ways) if is_measured else ways)]
    except (ConfigError, PluginError) as error:
        raise RunError(f"{path}: cannot be opened: {error}{missing_plugins(folder, plugins)}") from error
    place = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
    settings, task = _restored(folder, candidates, place)
    seed_initialisation(settings.seed, "policy")
    policy = settings.method.policy(problem_without_validation(task))
    restore_policy(folder, policy)
    policy.eval().to(place)
    return OpenedRun(folder, settings, task, policy, plugins)


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
