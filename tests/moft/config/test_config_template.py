"""Configs from templates: values are put in as YAML that reads back as the same."""

from __future__ import annotations

import jinja2
import pytest

from moft import ConfigError
from moft.api import Objective
from moft.config.config_template import objective_name, rendered_config
from moft.config.yaml12 import inline_yaml, load
from moft.types.objective import RESERVED, check_objective_names


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "a: b",
        "with, comma",
        "# hash",
        "on",
        "1",
        "",
        "~",
        "C:\\data",
        "ü",
        "{prompt}",
        [],
        {"a, b": [1, 0.5, None, "x: y"]},
    ],
)
def test_a_value_on_one_line_reads_back_anywhere(value):
    text = inline_yaml(value)
    assert "\n" not in text
    assert load(f"a: {text} # comment\nb: {{c: {text}, d: [{text}]}}\n") == {"a": value, "b": {"c": value, "d": [value]}}


def test_a_long_value_stays_on_one_line():
    assert load(f"a: {inline_yaml('word ' * 100)}") == {"a": "word " * 100}


def test_a_template_keeps_its_comments_and_its_last_line_end(tmp_path):
    path = tmp_path / "c.yaml.j2"
    path.write_text("# why\n{% if more %}\na: {{ a | inline }} # what\n{% endif %}\nb: 1\n", encoding="utf-8")
    assert rendered_config(path, {"more": True, "a": "x: y"}) == "# why\na: 'x: y' # what\nb: 1\n"
    with pytest.raises(jinja2.UndefinedError):
        rendered_config(path, {"a": 1})


@pytest.mark.parametrize("label", ["clicks", "price, net", "a=b", " spaced ", "two\nlines", "", *RESERVED])
def test_every_label_gets_a_name_that_an_objective_can_have(label):
    check_objective_names([Objective(objective_name(label))])
    try:
        check_objective_names([Objective(label)])
    except ConfigError:
        return
    assert objective_name(label) == label
