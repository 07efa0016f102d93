"""Chooses weights and dial of a run by a wish: searches on the validation split, measures once on the test split, and writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import torch

from moft.engine.choices.search import DialledWeights, Effort, Found, promising, scattered, search, select_from
from moft.engine.choices.selection import Candidates
from moft.engine.choices.wish import Wish
from moft.engine.choices.wish_settings import OutcomeNames, WishSettings, check_choice_name, wish_of
from moft.errors import ConfigError, RunError
from moft.files.atomic_write import atomic_write
from moft.files.json import write_json
from moft.interfaces import Evaluator, LongEvaluator
from moft.run.folder.resume import data_change
from moft.run.folder.run_folder import lock_folder
from moft.run.policy.choices.choice_files import (
    OUTCOMES,
    SCHEMA,
    NamedChoice,
    choice_names,
    read_choice,
    write_choice,
)
from moft.run.policy.choices.choice_record import choice_record
from moft.run.policy.choices.outcomes import ChoosableRun, OutcomeMeter, part_of
from moft.run.policy.choices.wish_checks import check_enough, check_percentages, names_of, point_of, split_of
from moft.run.policy.point_files import PointFiles, points_key
from moft.run.policy.policy_files import policy_hash
from moft.run.report.figures.choice_figure import choice_figure
from moft.run.report.figures.figure_style import png
from moft.run.report.read_front import read_record
from moft.types import Batches, Tradeoff

MOST = 1_000
"""Lists that the search measures; of a larger split, a part is drawn, and only the best tradeoffs are measured on all."""
ROUNDS = 3
EACH = 8
"""Tradeoffs that a round of the search measures, where a measurement is quick."""
SEED = 0
_AT = (0.25, 0.5, 1.0, 2.0, 4.0, 16.0)
"""Dials at which every vertex is measured."""


def make_choice(
    run: ChoosableRun, settings: WishSettings, name: str | None = None, on_progress: Callable[[int, int], None] | None = None
) -> NamedChoice:
    """The weights and the dial that fulfil a wish, found on the validation split and measured once on the test split.

    The choice is kept in the run. A wish that was chosen before is not measured again.

    Args:
        run: opened for its data to be measured.
        settings: the wish.
        name: of the choice; None for that of an earlier choice of the same wish, or the first of choice-1, choice-2 that is free.
        on_progress: called with the number of measured tradeoffs and of all; only for an evaluator that takes minutes.

    Raises:
        ConfigError: the wish is not one that can be checked, or there are too few lists to promise anything.
        RunError: the name is taken, or another process chooses.
    """
    folder = run.folder
    front = read_record(folder.front)
    names = names_of(front)
    wish, point = wish_of(settings, names), point_of(settings, front)
    if name is not None:
        check_choice_name(name)
    earlier = _earlier(run, settings, name)
    if earlier is not None:
        return earlier
    check_percentages(wish, front, names)
    validation, test = split_of(run, "validation"), split_of(run, "test")
    if validation is None:
        raise ConfigError(f"{folder.path}: has no validation data to choose on; train with a validation split.")
    check_enough(validation.lists, wish.confidence, run.task.nouns)
    folder.check_is_own(folder.choices)
    try:
        folder.choices.mkdir(exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder.choices}: cannot be made ({error.strerror}).") from error
    with closing(lock_folder(folder.choices)):
        earlier = _earlier(run, settings, name)  # another process may have made it
        if earlier is not None:
            return earlier
        own = name if name is not None else _free_name(choice_names(folder))
        _choose(run, settings, names, point, (validation, test), own, on_progress)
        return read_choice(folder, own, [objective.name for objective in run.task.objectives], "choice")


def _choose(
    run: ChoosableRun,
    settings: WishSettings,
    names: OutcomeNames,
    point: Mapping[str, Any] | None,
    splits: tuple[Batches, Batches | None],
    name: str,
    on_progress: Callable[[int, int], None] | None,
) -> None:
    """Searches, measures and writes."""
    validation, test = splits
    profile, task = run.settings.profile, run.task
    evaluator: Evaluator = profile.evaluator(task.objectives, task.main)
    new_lists = settings.new_lists or (validation if test is None else test).lists
    is_long = isinstance(evaluator, LongEvaluator)
    effort = effort_of(settings, len(task.objectives), profile.points, new_lists, is_long=is_long)
    all_points, done, told = len(effort.first) + effort.rounds * effort.each + 1, 0, -1

    def meter(lists: Batches, split: str, part: str) -> OutcomeMeter:
        key = points_key(run.folder, f"{split}{part}", task.identity())
        return OutcomeMeter(run, evaluator, lists, names.names, PointFiles(run.folder.choices / "measured", key))

    def measure(places: DialledWeights) -> Candidates:
        nonlocal done

        def report(own: int) -> None:
            nonlocal told
            if on_progress is not None and done + own > told:
                told = done + own
                on_progress(told, all_points)

        found = searched(places, report)
        done += len(places)
        return found

    lists = validation if is_long else part_of(validation, MOST)  # a second look at the best would cost as much as the first
    searched = meter(lists, "validation", "" if lists is validation else f" {MOST}").with_values()
    names = replace(names, names=tuple(searched.names), main=names.main if names.main in searched.names else None)
    means = (
        None if point is None else searched.means_at(Tradeoff(torch.tensor([point["weights"]]), torch.tensor([point["betas"]])))
    )
    try:
        wish = wish_of(settings, names, means)
    except ConfigError as error:
        raise ConfigError(f"{error} No {task.nouns.list} of the validation split has a value of it.") from error
    found = search(measure, searched.served, wish, effort)
    measured = len(found.places)
    if lists is not validation:
        found = _on_all(found, meter(validation, "validation", ""), wish, effort, lists.lists / validation.lists)
        measured += len(found.places)
    tested = None if test is None else _tested(found, wish, meter(test, "test", ""))
    record = choice_record(run, settings, wish, names, found, effort, tested, measured=measured)
    if changed := data_change(run.folder, task.identity()):
        record["notes"].append(f"Chosen on other data than the run recorded: {changed}.")
    write_json(
        run.folder.choices / OUTCOMES,
        {"schema": SCHEMA, "policy": policy_hash(run.folder), **_outcomes(names, found, len(effort.first))},
    )
    picture = png(choice_figure(name, record, {**found.surrogate.record(), "lists": lists.lists}, task.nouns))
    atomic_write(run.folder.choices / f"{name}.png", picture)
    write_choice(run.folder, name, record)


def effort_of(settings: WishSettings, m: int, points: int, new_lists: int, *, is_long: bool) -> Effort:
    """How much is measured for a wish.

    Args:
        settings: of the wish.
        m: objectives.
        points: of a profile.
        new_lists: size of the new data, in lists.
        is_long: whether a measurement takes minutes: then a choice takes at most twice as many of them as a profile.
    """
    count = settings.measurements
    if count is None:
        count = max(3, 2 * points - 3 - isinstance(settings.like, int)) if is_long else max(50, min(25 * m, 300)) + ROUNDS * EACH
    each = min(EACH, count // (2 * ROUNDS))
    first = count - ROUNDS * each
    low, high = settings.dials
    dials = [dial for dial in _AT if low <= dial <= high] or [low]
    vertices = dials if first >= 3 * m * len(dials) else [min(dials, key=lambda dial: abs(dial - 1))]
    places = scattered(m, first, (low, high), SEED, vertices=vertices)
    return Effort(places, ROUNDS, each, (low, high), 1000, new_lists, SEED)


def _on_all(found: Found, meter: OutcomeMeter, wish: Wish, effort: Effort, share: float) -> Found:
    """The selection among the best tradeoffs of a search on a part of the lists, measured on all of them."""
    new = effort.new_lists / meter.lists.lists
    spread = ((1 + 1 / new) / (1 / share + 1 / new)) ** 0.5
    means = found.candidates.means
    rows = sorted({found.selected.row, *means.argmax(0).tolist(), *means.argmin(0).tolist()})
    places = found.places.select(torch.tensor(rows)).joined(promising(found, meter.served, wish, effort, SEED, spread=spread))
    return select_from(places, meter(places), wish, effort, found.surrogate)


def _tested(found: Found, wish: Wish, meter: OutcomeMeter) -> Candidates:
    """The outcomes of the choice, measured on other lists, with those of what bounds are shares of."""
    candidates = found.candidates
    places = [candidates.names.index(bound.outcome) for bound in wish.bounds if bound.anchor == "best"]
    rows = [int(candidates.means[:, place].argmax()) for place in places]
    measured = meter(found.places.select(torch.tensor([found.selected.row, *rows])))
    best = measured.base.clone()
    for row, (place, on_validation) in enumerate(zip(places, rows, strict=True), start=1):
        if candidates.means[on_validation, place] >= candidates.base_means[place]:
            best[:, place] = measured.values[row, :, place]
    return replace(measured, values=measured.values[:1], best=best)


def _outcomes(names: OutcomeNames, found: Found, first: int) -> dict[str, Any]:
    """The surrogate with its errors on the `first` tradeoffs, which were scattered, as JSON."""
    errors = found.surrogate.held_out(first)
    return {
        "names": list(names.names),
        "surrogate": found.surrogate.record(),
        "held_out": {"error": errors.error, "share": errors.share, "tau": errors.tau},
    }


def _earlier(run: ChoosableRun, settings: WishSettings, name: str | None) -> NamedChoice | None:
    """The choice that the run keeps for the same wish.

    Raises:
        RunError: the name has a choice for another wish.
    """
    objectives = [objective.name for objective in run.task.objectives]
    for known in choice_names(run.folder):
        if name in (None, known):
            choice = read_choice(run.folder, known, objectives, "choice")
            if choice.record["wish"] == settings.record():
                return _noted(run, choice)
            if name == known:
                file = run.folder.choices / f"{name}.json"
                raise RunError(f"{file}: already exists, for another wish; choose another --name or remove it.")
    return None


def _noted(run: ChoosableRun, choice: NamedChoice) -> NamedChoice:
    """An earlier choice, with a note if the data have changed since it was made."""
    changed = data_change(run.folder, run.task.identity())
    notes = choice.record["notes"]
    if not changed or any(changed in note for note in notes):
        return choice
    note = f"This choice was made before: {changed}. To search on the data of now, give another --name."
    return replace(choice, record={**choice.record, "notes": [*notes, note]})


def _free_name(taken: list[str]) -> str:
    number = 1
    while f"choice-{number}" in taken:
        number += 1
    return f"choice-{number}"
