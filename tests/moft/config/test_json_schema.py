"""Settings in words, and the JSON Schema."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import MaxLen, MinLen

from moft import PluginError
from moft.api import Count, Default, Factory, Fraction, Loss, Positive, Sampler
from moft.config.error_messages import words_of
from moft.config.json_schema import component_schema, json_schema, settings_of, settings_of_record
from moft.interfaces import Method


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "whole number"),
        (Count, "whole number >= 1"),
        (Positive, "number > 0"),
        (Fraction, "number >= 0 and <= 1"),
        (bool, "true or false"),
        (str, "text"),
        (Path | None, "path or null"),
        (Any, "anything"),
        (Literal["a", "b", "c"], "'a', 'b' or 'c'"),
        (list[Count], "list of whole number >= 1"),
        (Annotated[list[float], MinLen(2), MaxLen(3)], "list of number with at least 2 entries and with at most 3 entries"),
        (Annotated[str, MinLen(1), MaxLen(9)], "text with at least 1 character and with at most 9 characters"),
        (tuple[int, float], "list of whole number, number"),
        (dict[str, float], "mapping of text to number"),
        (Loss, "loss"),
        (Method[Any], "method"),
        (Factory[Sampler] | None, "sampler or null"),
        (Annotated[Loss, Default("square")], "loss"),
        (list[Loss], "list of loss"),
        (dict[str, Loss], "mapping of names to loss"),
        (Positive | Literal["auto"], "number > 0 or 'auto'"),
    ],
)
def test_types_have_words(annotation, words):
    assert words_of(annotation) == words


def test_records_have_words(toys):
    assert words_of(toys.Column) == "mapping with column"
    assert words_of(toys.Neural | toys.Scores) == "'neural' with its settings or 'scores' with its settings"
    assert words_of(toys.Colour) == "'red' or 'blue'"


def test_settings_come_with_type_default_and_meaning(toys):
    power, target = settings_of(toys.Square)
    assert (power.name, power.type, power.default, power.is_required) == ("power", "number > 0", 2.0, False)
    assert power.help == "what rewards are raised to; larger punishes outliers more."
    assert (target.type, target.default, target.help) == ("'softmax' or 'sum'", "softmax", "how labels are normalised.")


@dataclass(frozen=True)
class Long:
    """A record.

    Args:
        size: how long it is.
    """

    size: int = 1


@dataclass(frozen=True)
class Wide(Long):
    """Another one.

    Args:
        width: how wide it is.
    """

    width: int = 2


def test_a_record_has_the_meanings_of_the_one_that_it_extends():
    assert [(setting.name, setting.help) for setting in settings_of_record(Wide)] == [
        ("size", "how long it is."),
        ("width", "how wide it is."),
    ]


def test_the_meaning_of_an_only_setting_has_all_its_lines():
    class Lone:
        """One setting.

        Args:
            size: how many, a text that
                goes on.
        """

        def __init__(self, *, size: int): ...

    assert [setting.help for setting in settings_of(Lone)] == ["how many, a text that goes on."]


def test_what_stands_left_of_the_star_is_no_setting(toys):
    assert [setting.name for setting in settings_of(toys.Simplex)] == ["share", "low", "high"]


def test_a_default_component_is_the_default_of_its_setting(toys):
    sampler, conditioner, _, draws = settings_of(toys.Method)
    assert sampler.default == {"name": "simplex", "share": 0.25}
    assert conditioner.default == {"name": "film"}
    assert (draws.default, draws.help) == (1, "")


def test_a_record_has_settings_too(toys):
    column, beta, loss = settings_of_record(toys.Column)
    assert (column.is_required, column.default, column.help) == (True, None, "its number.")
    assert (beta.default, loss.default, loss.type) == (1.0, None, "loss or null")
    main = next(setting for setting in settings_of_record(toys.Everything) if setting.name == "main")
    assert main.default == {"column": 7, "beta": 1.0, "loss": None}


def test_a_component_is_any_of_those_registered(plugins):
    schema = json_schema(Loss, plugins)
    assert schema["$ref"] == "#/$defs/loss"
    choices = schema["$defs"]["loss"]["anyOf"]
    assert {"const": "square", "description": "the square"} in choices
    assert {"$ref": "#/$defs/loss.square"} in choices
    square = schema["$defs"]["loss.square"]
    assert square["properties"]["name"] == {"const": "square"}
    assert square["properties"]["power"]["exclusiveMinimum"] == 0
    assert square["properties"]["power"]["default"] == 2.0
    assert square["properties"]["target"]["enum"] == ["softmax", "sum"]
    assert square["required"] == ["name"]
    assert square["additionalProperties"] is False


def test_a_component_that_does_not_work_leaves_the_others(plugins):
    gone = json_schema(Loss, plugins)["$defs"]["loss.gone"]
    assert gone["description"].startswith("Its settings are not known: plugin 'toys': component 'gone'")


def test_every_reference_is_defined(plugins, toys):
    schema = json_schema(toys.Everything, plugins)

    def references(part: Any) -> set[str]:
        if isinstance(part, dict):
            own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
            return own.union(*map(references, part.values()))
        return set().union(*map(references, part)) if isinstance(part, list) else set()

    assert references(schema) <= {f"#/$defs/{name}" for name in schema["$defs"]}


def test_a_record_and_its_containers_have_a_schema(plugins, toys):
    schema = json_schema(toys.Everything, plugins)
    everything = schema["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    assert everything["required"] == ["method", "objectives"]
    objectives = everything["properties"]["objectives"]
    assert (objectives["type"], objectives["minProperties"]) == ("object", 1)
    assert objectives["additionalProperties"]["$ref"].endswith(".Column")
    assert everything["properties"]["losses"]["type"] == "array"
    assert {"const": "neural"} in everything["properties"]["base"]["anyOf"][0]["anyOf"]
    assert {"type": "null"} in everything["properties"]["main"]["anyOf"]


def test_one_component_has_a_schema_with_what_it_contains(plugins):
    schema = component_schema("methods", "toy", plugins)
    assert schema["properties"]["loss"]["anyOf"] == [{"$ref": "#/$defs/loss"}, {"$ref": "#/$defs/loss.square.default"}]
    assert schema["$defs"]["loss.square.default"]["required"] == []
    assert schema["description"] == "a method"
    assert "sampler.simplex" in schema["$defs"]


def test_the_schema_of_an_unknown_component_says_the_nearest(plugins):
    with pytest.raises(PluginError, match=r"unknown loss 'sqare'. Did you mean 'square'\?"):
        component_schema("losses", "sqare", plugins)


def test_an_annotation_that_no_config_can_fill_has_no_schema(plugins):
    with pytest.raises(PluginError, match=r"annotation .*cannot be filled from a config"):
        json_schema(set[Loss], plugins)
