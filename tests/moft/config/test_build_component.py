"""Resolving: the signature is the schema, all mistakes at once, then objects."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from moft import ConfigError, PluginError
from moft.api import Count, Default, Factory, Fraction, Loss, NonNegative, Positive, Sampler, Scalarizer
from moft.config.build_component import resolve
from moft.interfaces import Conditioner, Method

# Components


def test_a_name_selects_a_component_with_its_defaults(plugins, toys):
    resolved = resolve(Loss, "square", plugins)
    assert resolved.plain == {"name": "square", "power": 2.0, "target": "softmax"}
    made = resolved.make()
    assert isinstance(made, toys.Square)
    assert (made.power, made.target) == (2.0, "softmax")


def test_a_mapping_selects_and_sets(plugins):
    resolved = resolve(Loss, {"power": 3, "name": "square"}, plugins)
    assert resolved.plain == {"name": "square", "power": 3.0, "target": "softmax"}
    assert resolved.make().power == 3.0


def test_each_make_builds_anew(plugins):
    resolved = resolve(Loss, "square", plugins)
    assert resolved.make() is not resolved.make()


def test_nothing_is_built_before_it_is_asked_for(plugins):
    assert resolve(Loss, {"name": "dividing", "by": 0}, plugins).plain == {"name": "dividing", "by": 0}


def test_a_component_without_constructor_has_no_settings(plugins, toys, mistakes):
    assert isinstance(resolve(Loss, "plain", plugins).make(), toys.Plain)
    assert mistakes(Loss, {"name": "plain", "power": 1}) == ["x.power: unknown setting. loss 'plain' has no settings."]


def test_a_function_is_a_target(plugins):
    from torch import ones

    made = resolve(Scalarizer, {"name": "summed", "scale": 2}, plugins).make()
    assert made(ones(1, 3), ones(1, 3)).item() == 2 * 3


def test_a_factory_waits_for_what_stands_left_of_the_star(plugins, toys):
    later = resolve(Factory[Sampler], {"name": "simplex", "share": 0.5}, plugins).make()
    assert isinstance(later, functools.partial)
    assert (later.func, later.keywords) == (toys.Simplex, {"share": 0.5, "low": 0.1, "high": 1.0})
    made = later(3)
    assert (made.size, made.share) == (3, 0.5)


def test_a_component_inside_a_component_is_built_first(plugins, toys):
    value = {"name": "film", "inner": {"name": "film", "width": 8}}
    made = resolve(Factory[Conditioner], value, plugins).make()("spec")
    assert made.inner.func is toys.Film
    assert made.inner.keywords == {"width": 8, "inner": None}


def test_a_default_component_is_taken_when_none_is_named(plugins, toys):
    resolved = resolve(Method, "toy", plugins)
    assert resolved.plain["sampler"] == {"name": "simplex", "share": 0.25, "low": 0.1, "high": 1.0}
    assert resolved.plain["conditioner"]["name"] == "film"
    made = resolved.make()
    assert isinstance(made.loss, toys.Square)
    assert made.sampler.keywords["share"] == 0.25


def test_settings_without_a_name_are_the_default_components(plugins):
    resolved = resolve(Method, {"name": "toy", "loss": {"target": "sum"}, "sampler": {"low": 0.2}}, plugins)
    assert resolved.plain["loss"] == {"name": "square", "power": 2.0, "target": "sum"}
    assert resolved.plain["sampler"] == {"name": "simplex", "share": 0.25, "low": 0.2, "high": 1.0}


def test_a_default_components_settings_are_not_another_components(plugins):
    resolved = resolve(Method, {"name": "toy", "sampler": "simplex"}, plugins)
    assert resolved.plain["sampler"]["share"] == 0.0


def test_none_switches_an_optional_component_off(plugins):
    resolved = resolve(Method, {"name": "toy", "conditioner": None}, plugins)
    assert resolved.plain["conditioner"] is None
    assert resolved.make().conditioner is None


def test_an_unknown_component_says_the_nearest_and_all(mistakes):
    assert mistakes(Loss, "sqare", "method.loss") == [
        "method.loss: unknown loss 'sqare'. Did you mean 'square'? "
        "Known losses: dividing, gone, plain, reading, square, weighted."
    ]


def test_a_component_needs_a_name(mistakes):
    known = "Known losses: dividing, gone, plain, reading, square, weighted."
    assert mistakes(Loss, {"power": 1}) == [f"x: needs the name of a loss. {known}"]
    assert mistakes(Loss, {"name": 3}) == [f"x: needs the name of a loss, got 3. {known}"]


@pytest.mark.parametrize(("value", "got"), [(3, "3"), (None, "null"), (True, "true"), ([1], "[1]")])
def test_a_component_is_a_name_or_a_mapping(mistakes, value, got):
    assert mistakes(Loss, value) == [f"x: must be a loss: a name, or a mapping with a name, got {got}."]


# Records, lists, mappings, choices


def test_a_record_is_filled_with_defaults(plugins, toys):
    value = {"method": "plain", "objectives": {"clicks": {"column": 3}}}
    resolved = resolve(toys.Everything, value, plugins)
    assert resolved.plain == {
        "method": {"name": "plain"},
        "objectives": {"clicks": {"column": 3, "beta": 1.0, "loss": None}},
        "base": {"name": "neural", "epochs": 5, "loss": {"name": "square", "power": 2.0, "target": "softmax"}},
        "losses": [{"name": "square", "power": 2.0, "target": "softmax"}],
        "pair": [],
        "main": {"column": 7, "beta": 1.0, "loss": None},
        "steps": [],
        "folder": "runs",
        "colour": "red",
        "rate": "auto",
        "beta": 1.0,
        "anything": None,
    }
    made = resolved.make()
    assert made.objectives == {"clicks": toys.Column(3)}
    assert made.main == toys.Column(7)
    assert isinstance(made.base, toys.Neural)
    assert isinstance(made.losses[0], toys.Square)
    assert made.folder == Path("runs")
    assert made.colour is toys.Colour.RED


def test_what_is_resolved_resolves_to_itself(plugins, toys):
    value = {"method": "plain", "objectives": {"clicks": {"column": 3, "loss": "square"}}, "beta": "simplex"}
    plain = resolve(toys.Everything, value, plugins).plain
    assert resolve(toys.Everything, plain, plugins).plain == plain


def test_a_part_of_a_record_is_built_by_itself(plugins, toys):
    value = {"method": {"name": "dividing", "by": 0}, "objectives": {"clicks": {"column": 3}}}
    resolved = resolve(toys.Everything, value, plugins)
    assert resolved["objectives"].make() == {"clicks": toys.Column(3)}
    with pytest.raises(PluginError):
        resolved.make()


def test_lists_and_tuples_are_resolved_item_by_item(plugins, toys):
    value = {
        "method": "plain",
        "objectives": {"c": {"column": 1}},
        "pair": [{"column": 1}, {"column": 2}],
        "losses": ["plain", "square"],
    }
    made = resolve(toys.Everything, value, plugins).make()
    assert made.pair == (toys.Column(1), toys.Column(2))
    assert [type(loss) for loss in made.losses] == [toys.Plain, toys.Square]


def test_a_record_with_nothing_below_it_takes_its_defaults(plugins):
    @dataclass(frozen=True)
    class Grid:
        points: int = 11

    assert resolve(Grid, None, plugins).make() == Grid()


def test_a_choice_of_records_is_made_by_name(plugins, toys):
    assert resolve(toys.Neural | toys.Scores, {"name": "scores", "column": 4}, plugins).make() == toys.Scores(4)
    assert resolve(toys.Neural | toys.Scores, "neural", plugins).make().epochs == 5
    default = Annotated[toys.Neural | toys.Scores, Default("neural")]
    assert resolve(default, {"epochs": 7}, plugins).make().epochs == 7


def test_a_choice_of_records_says_its_names(toys, mistakes):
    choice = toys.Neural | toys.Scores
    assert mistakes(choice, "score") == ["x: the name must be one of neural, scores, got 'score'. Did you mean 'scores'?"]
    assert mistakes(choice, {"column": 4}) == ["x: the name must be one of neural, scores, and it is missing."]
    assert mistakes(choice, 3) == ["x: must be 'neural' with its settings or 'scores' with its settings, got 3."]


def test_a_choice_of_a_component_and_a_value_takes_what_fits(plugins, toys):
    either = Factory[Sampler] | Positive
    assert resolve(either, 2, plugins).make() == 2.0
    assert resolve(either, "simplex", plugins).make().func is toys.Simplex


def test_a_choice_of_a_component_and_a_value_says_both(mistakes):
    assert mistakes(Factory[Sampler] | Positive, -1) == ["x: must be sampler or number > 0, got -1."]


def test_one_or_many_components(plugins, toys):
    assert isinstance(resolve(Loss | list[Loss], "plain", plugins).make(), toys.Plain)
    assert len(resolve(Loss | list[Loss], ["plain", "square"], plugins).make()) == 2


@pytest.mark.parametrize(
    ("annotation", "value", "line"),
    [
        (list[Loss], "plain", "x: must be a list of loss, got 'plain'."),
        (dict[str, Loss], ["plain"], "x: must be a mapping of names to loss, got ['plain']."),
        (list[Loss], ["plain", "plane"], "x.1: unknown loss 'plane'."),
    ],
)
def test_a_container_says_what_it_holds(mistakes, annotation, value, line):
    (found,) = mistakes(annotation, value)
    assert found.startswith(line)


def test_the_size_of_a_container_is_checked(toys, mistakes):
    found = mistakes(toys.Everything, {"method": "plain", "objectives": {}}, "")
    assert found == ["objectives: must have at least 1 entries, got an empty mapping."]


# Plain values


@pytest.mark.parametrize(
    ("annotation", "value", "plain"),
    [
        (float, 1, 1.0),
        (float, "1e-3", 1e-3),
        (int, 3.0, 3),
        (float | None, None, None),
        (bool, True, True),
        (list[int], (1, 2), [1, 2]),
        (tuple[int, float], [1, 2], [1, 2.0]),
        (dict[str, float], {"a": 1}, {"a": 1.0}),
        (Path, "a/b", "a/b"),
        (Any, {"a": [True, None]}, {"a": [True, None]}),
        (bool | int, True, True),
    ],
)
def test_plain_values_are_coerced(plugins, annotation, value, plain):
    found = resolve(annotation, value, plugins).plain
    assert found == plain
    assert type(found) is type(plain)


@pytest.mark.parametrize(
    ("annotation", "value", "line"),
    [
        (Positive, -1.0, "must be greater than 0, got -1.0."),
        (Positive, 0, "must be greater than 0, got 0."),
        (NonNegative, -0.5, "must be at least 0, got -0.5."),
        (Fraction, 1.5, "must be at most 1, got 1.5."),
        (Count, 0, "must be at least 1, got 0."),
        (Count, 2.5, "must be a whole number, got 2.5."),
        (Count, "many", "must be a whole number, got 'many'."),
        (Count, True, "must be a whole number, got true."),
        (float, False, "must be a number, got false."),
        (float, "fast", "must be a number, got 'fast'."),
        (float, None, "must be a number, got null."),
        (bool, "maybe", "must be true or false, got 'maybe'."),
        (str, 3, "must be text, got 3."),
        (Path, 3, "must be a path, got 3."),
        (list[int], 3, "must be a list, got 3."),
        (dict[str, int], [1], "must be a mapping, got [1]."),
        (Literal["linear", "exp2"], "exp", "must be 'linear' or 'exp2', got 'exp'. Did you mean 'exp2'?"),
        (float | Literal["auto"], "aut", "must be a number or 'auto', got 'aut'."),
        (str, "x" * 9 * 10, None),
        (Count, "x" * 100, f"must be a whole number, got '{'x' * 76}...."),
    ],
)
def test_a_wrong_value_is_told_with_its_range(plugins, annotation, value, line):
    if line is None:
        assert resolve(annotation, value, plugins).plain == value
        return
    with pytest.raises(ConfigError) as caught:
        resolve(annotation, value, plugins, "task.x")
    assert str(caught.value) == f"task.x: {line}"


def test_a_mistake_inside_a_plain_container_has_its_place(mistakes):
    assert mistakes(list[Count], [1, 0, True]) == ["x.1: must be at least 1, got 0."]
    assert mistakes(list[Count] | None, [1, True]) == ["x.1: must be a whole number, got true."]
    assert mistakes(dict[str, Positive], {"a": -1}) == ["x.a: must be greater than 0, got -1."]


# Mistakes


def test_all_mistakes_are_told_at_once(toys, mistakes):
    value = {
        "method": {"name": "square", "powr": 1, "target": "max"},
        "objectives": {"clicks": {"beta": -1}, "price": {"column": 2, "loss": "sqare"}},
        "stepps": 3,
        "steps": [0],
    }
    lines = mistakes(toys.Everything, value, "")
    assert [line.split(" ")[0] for line in lines] == [
        "stepps:",
        "method.powr:",
        "method.target:",
        "objectives.clicks.column:",
        "objectives.clicks.beta:",
        "objectives.price.loss:",
        "steps.0:",
    ]
    assert lines[1] == "method.powr: unknown setting. Did you mean 'power'? Settings of loss 'square': power, target."
    assert lines[3] == "objectives.clicks.column: is missing; it is required (whole number >= 1)."
    assert lines[4] == "objectives.clicks.beta: must be greater than 0, got -1."


def test_a_missing_component_is_told_with_its_kind(toys, mistakes):
    lines = mistakes(toys.Everything, {"objectives": {"c": {"column": 1}}}, "")
    assert lines == ["method: is missing; it is required (loss)."]


def test_a_record_must_be_a_mapping(toys, mistakes):
    assert mistakes(toys.Column, 3) == ["x: must be a mapping of column, beta, loss, got 3."]
    assert mistakes(toys.Column, [], "") == ["config: must be a mapping of column, beta, loss, got []."]
