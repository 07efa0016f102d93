"""One component from its config form, outside a run."""

from __future__ import annotations

import functools

import pytest

from moft import ConfigError, PluginError
from moft.api import Factory, Loss, Sampler, component, read_value


def test_a_component_is_built_from_its_name_or_with_settings(plugins, toys):
    assert isinstance(component(Loss, "square", plugins), toys.Square)
    assert component(Loss, {"name": "square", "power": 3}, plugins).power == 3.0


def test_a_factory_of_a_component_waits_for_the_engine(plugins):
    later = component(Factory[Sampler], {"name": "simplex", "share": 0.5}, plugins)
    assert isinstance(later, functools.partial)
    assert later(2).size == 2


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("sqare", "--loss cost: unknown loss 'sqare'. Did you mean 'square'?"),
        ({"name": "square", "power": -1}, "--loss cost.power: must be greater than 0, got -1."),
        ({"name": "square", "powr": 1}, "--loss cost.powr: unknown setting. Did you mean 'power'?"),
        (3, "--loss cost: must be a loss: a name, or a mapping with a name, got 3."),
        ({"power": 1}, "--loss cost: needs the name of a loss."),
    ],
)
def test_a_mistake_is_told_with_what_the_user_typed(plugins, value, message):
    with pytest.raises(ConfigError) as caught:
        component(Loss, value, plugins, "--loss cost")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_all_mistakes_are_told_at_once(plugins):
    with pytest.raises(ConfigError) as caught:
        component(Loss, {"name": "square", "power": -1, "target": "max"}, plugins, "--loss cost")
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == ["--loss cost.power", "--loss cost.target"]


def test_an_error_while_it_is_built_says_where_it_was_asked_for(plugins):
    with pytest.raises(PluginError, match=r"^\[--loss cost\] loss 'dividing' .*ZeroDivisionError"):
        component(Loss, {"name": "dividing", "by": 0}, plugins, "--loss cost")


def test_a_text_is_read_as_the_value_of_a_setting(monkeypatch):
    monkeypatch.setenv("WORD", "please")
    assert read_value("vader", "--scorer a") == "vader"
    assert read_value("{name: regex, pattern: '${WORD}', weight: 1e-3}", "--scorer a") == {
        "name": "regex",
        "pattern": "please",
        "weight": 1e-3,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{name: regex", "--scorer a: '{name: regex' is malformed: while parsing a flow mapping"),
        ("{name: regex, pattern: '${NOWHERE_SET}'}", "--scorer a.pattern: environment variable ${NOWHERE_SET} is not set"),
        ("${NOWHERE_SET}", "--scorer a: environment variable ${NOWHERE_SET} is not set"),
    ],
)
def test_a_text_that_cannot_be_read_is_quoted(text, message):
    with pytest.raises(ConfigError) as caught:
        read_value(text, "--scorer a")
    assert str(caught.value).startswith(message)
