"""A list in the place of a component is a component that takes it."""

from __future__ import annotations

from typing import Annotated

import pytest

from moft.api import Conditioner, Default, Factory, FromList
from moft.config.build_component import resolve
from moft.config.error_messages import words_of
from moft.config.json_schema import component_schema
from moft.interfaces import Method

ONE_OR_MORE = Annotated[Factory[Conditioner] | None, Default("film"), FromList("both", "parts")]


def told(value):
    return {"name": "told", "conditioner": value}


def test_a_list_is_the_setting_of_the_component_that_takes_it(plugins, toys):
    resolved = resolve(Method, told(["film", {"name": "film", "width": 8}]), plugins)
    parts = [{"name": "film", "width": 32, "inner": None}, {"name": "film", "width": 8, "inner": None}]
    assert resolved.plain["conditioner"] == {"name": "both", "parts": parts}
    assert resolve(Method, resolved.plain, plugins).plain == resolved.plain
    built = resolved.make().conditioner("spec")
    assert isinstance(built, toys.Both)
    assert [(part.spec, part.width) for part in built.parts] == [("spec", 32), ("spec", 8)]


@pytest.mark.parametrize("value", ["film", {"width": 4}, None, {"name": "both", "parts": ["film"]}])
def test_what_is_no_list_is_as_before(plugins, value):
    plain = resolve(Method, told(value), plugins).plain["conditioner"]
    assert plain is None if value is None else plain["name"] in ("film", "both")


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ([], "method.conditioner.parts: must have at least 1 entries, got []."),
        (["film"] * 4, "method.conditioner.parts: must have at most 3 entries, got ['film', 'film', 'film', 'film']."),
        (["film", "fil"], "method.conditioner.parts.1: unknown conditioner 'fil'. Did you mean 'film'?"),
        ([["film"]], "method.conditioner.parts.0: must be a conditioner: a name, or a mapping with a name, got ['film']."),
        (3, "method.conditioner: must be a conditioner: a name, or a mapping with a name, or a list of conditioners, got 3."),
    ],
)
def test_a_mistake_in_a_list_has_its_place(mistakes, value, line):
    (found,) = mistakes(Method, told(value), "method")
    assert found.startswith(line)


def test_a_list_that_stands_inside_itself_is_refused(mistakes):
    value = ["film"]
    value.append({"name": "both", "parts": value})
    assert mistakes(Method, told(value), "method") == ["method.conditioner.parts.1.parts: contains itself."]
    value = {"name": "film"}
    value["inner"] = value
    assert mistakes(Method, told(value), "method") == ["method.conditioner.inner: contains itself."]


def test_one_value_in_two_places_is_no_cycle(plugins):
    one = {"name": "film", "width": 8}
    assert len(resolve(Method, told([one, one]), plugins).plain["conditioner"]["parts"]) == 2


def test_words_and_schema_say_that_a_list_is_allowed(plugins):
    assert words_of(ONE_OR_MORE) == "conditioner, or a list of them or null"
    schema = component_schema("methods", "told", plugins)
    one_or_more, null = schema["properties"]["conditioner"]["anyOf"]
    one, several = one_or_more["anyOf"]
    assert {"$ref": "#/$defs/conditioner"} in one["anyOf"]
    assert several == {"type": "array", "items": {"$ref": "#/$defs/conditioner"}, "minItems": 1}
    assert null == {"type": "null"}
