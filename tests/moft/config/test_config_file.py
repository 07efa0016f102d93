"""Config files: YAML, overrides and variables."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from moft import ConfigError
from moft.config.config_file import read_config, with_quoting_advice


@pytest.fixture
def config(tmp_path):
    """Reads a text as the file `a.yaml`."""

    def read(text: str, *overrides: str):
        path = tmp_path / "a.yaml"
        path.write_text(text)
        return read_config(path, overrides)

    return read


def message_of(call, *arguments: str) -> str:
    with pytest.raises(ConfigError) as caught:
        call(*arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("-2E5", -2e5),
        (".5", 0.5),
        ("3.", 3.0),
        ("1.5e+2", 150.0),
        (".inf", float("inf")),
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        ("-7", -7),
        ("1:30", "1:30"),
        ("on", "on"),
        ("no", "no"),
        ("true", True),
        ("2024-01-01", "2024-01-01"),
        ("1e-3x", "1e-3x"),
        ("null", None),
        ("", None),
        ("'1e-3'", "1e-3"),
    ],
)
def test_scalars_are_read_as_people_write_them(config, text, value):
    found = config(f"a: {text}")["a"]
    assert found == value
    assert type(found) is type(value)


def test_a_key_given_twice_is_refused_with_both_lines(config):
    text = message_of(config, "method:\n  loss: listnet\n  draws: 1\n  loss: ipo\n")
    assert text.endswith("a.yaml:4: key 'loss' is given twice, first on line 2.")


def test_a_key_that_overrides_a_merged_one_is_not_given_twice(config):
    assert config("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}")["b"] == {"p": 1, "q": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "a.yaml:1: holds a list; a config is a mapping of settings, such as 'method: cos-dpo'."),
        ("cos-dpo", "a.yaml:1: holds the text 'cos-dpo'; a config is a mapping of settings, such as 'method: cos-dpo'."),
        ("", "a.yaml:1: is empty; a config is a mapping of settings, such as 'method: cos-dpo'."),
        ("a: 1\nb: c: d", "a.yaml:2: mapping values are not allowed here."),
        ("a: 1\nb: [1, 2", "a.yaml:2: while parsing a flow sequence: expected ',' or ']', but got '<stream end>'."),
        ("a:\n\tb: 1", "a.yaml:2: while scanning for the next token: found character '\\t' that cannot start any token."),
        ("a: 1\n2: b", "a.yaml:2: the key 2 is not text; put it in quotes."),
        ("a: !!python/object:os.system x", "a.yaml:1: tag 'tag:yaml.org,2002:python/object:os.system' is not allowed."),
        ("a: &x [*x]", "a.yaml:1: an alias refers to something that contains it."),
        ("a: !!int x", "a.yaml:1: 'x' does not fit its tag 'int'."),
        ("a: 1\nb: \x07", "a.yaml:2: character '\\x07' is not allowed in YAML."),
    ],
)
def test_what_is_malformed_is_told_in_one_line_with_its_place(config, text, message):
    found = message_of(config, text)
    assert found.endswith(message)
    assert "\n" not in found


def test_no_more_of_an_endless_file_is_read_than_refuses_it():
    with pytest.raises(ConfigError, match=r"^/dev/zero:1: is longer than 1,000,000 characters"):
        read_config(Path("/dev/zero"))


@pytest.mark.parametrize(
    "override", ["a=" + "[" * 5000, "a=" + "1" * 5000, 'a="\\0"', 'a="\\ud800"', "a=x\udcff", ".".join("a" * 5000) + "=1"]
)
def test_an_override_is_bounded_as_a_file_is(config, override):
    found = message_of(config, "a: 1", override)
    assert found.startswith("override 'a")
    assert "is malformed: " in found
    assert "\n" not in found


def test_a_missing_file_is_told_with_its_nearest_neighbour(tmp_path):
    (tmp_path / "smoke.yaml").write_text("a: 1")
    with pytest.raises(ConfigError, match=r"config file '.*smok.yaml' does not exist. Did you mean 'smoke.yaml'\?"):
        read_config(tmp_path / "smok.yaml", ())


def test_a_folder_is_no_config(tmp_path):
    with pytest.raises(ConfigError, match=r"config file '.*' is a folder."):
        read_config(tmp_path, ())


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"a: \xff")
    with pytest.raises(ConfigError, match=r"a.yaml: is not UTF-8 text \(invalid start byte at byte 3\)."):
        read_config(path, ())


def test_variables_and_home_are_expanded(config, monkeypatch):
    monkeypatch.setenv("DATA", "/data")
    found = config("a: ${DATA}/x\nb: [~/y, ~]\nc: a~b\nd: ~nobody-of-this-name/z\ne: $DATA")
    home = os.path.expanduser("~")
    assert found == {
        "a": "/data/x",
        "b": [f"{home}/y", None],
        "c": "a~b",
        "d": "~nobody-of-this-name/z",
        "e": "$DATA",
    }


def test_a_variable_that_is_not_set_is_told_with_the_setting(config, monkeypatch):
    monkeypatch.delenv("NO_DATA", raising=False)
    text = message_of(config, "task: {data: '${NO_DATA}/x'}")
    assert text == "task.data: environment variable ${NO_DATA} is not set, in '${NO_DATA}/x'."


def test_every_variable_that_is_not_set_is_told(config, monkeypatch):
    for name in ("NO_DATA", "NO_MODEL"):
        monkeypatch.delenv(name, raising=False)
    told = message_of(config, "task: {data: '${NO_DATA}', models: [a, '${NO_MODEL}']}").splitlines()
    assert [line.split(" is not set")[0] for line in told] == [
        "task.data: environment variable ${NO_DATA}",
        "task.models.1: environment variable ${NO_MODEL}",
    ]


def test_variables_in_overrides_are_expanded(config, monkeypatch):
    monkeypatch.setenv("DATA", "/data")
    assert config("a: 1", "a=${DATA}") == {"a": "/data"}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("method=dpo-ls", {"method": "dpo-ls", "list": [1, {"a": 2}], "none": None}),
        (
            "method.loss.target=sum",
            {"method": {"name": "cos-dpo", "loss": {"target": "sum"}}, "list": [1, {"a": 2}], "none": None},
        ),
        ("list.0=1e-3", {"method": "cos-dpo", "list": [1e-3, {"a": 2}], "none": None}),
        ("list.1.a=[3, x]", {"method": "cos-dpo", "list": [1, {"a": [3, "x"]}], "none": None}),
        ("none.x={y: true}", {"method": "cos-dpo", "list": [1, {"a": 2}], "none": {"x": {"y": True}}}),
        ("new.x.y=", {"method": "cos-dpo", "list": [1, {"a": 2}], "none": None, "new": {"x": {"y": None}}}),
        ("list=a=b", {"method": "cos-dpo", "list": "a=b", "none": None}),
    ],
)
def test_an_override_enters_mappings_lists_and_short_forms(config, override, expected):
    assert config("method: cos-dpo\nlist: [1, {a: 2}]\nnone: null", override) == expected


def test_a_component_in_short_form_inside_a_list_is_entered(config):
    assert config("items: [spacing]", "items.0.p=2") == {"items": [{"name": "spacing", "p": 2}]}


def test_the_last_override_wins(config):
    assert config("a: 1", "a=2", "a=3") == {"a": 3}


def test_an_override_changes_one_of_two_aliases(config):
    assert config("a: &x {p: 1}\nb: *x", "a.p=2") == {"a": {"p": 2}, "b": {"p": 1}}


def test_an_override_that_has_to_be_text_says_how_to_quote_it():
    found = "task.template: must be text, got a mapping of USER.\ntask.model: must be text, got null."
    overrides = ["task.template=USER: {prompt}", "seed=1"]
    assert with_quoting_advice(found, overrides).splitlines() == [
        """task.template: must be text, got a mapping of USER. Put text in quotes: 'task.template="USER: {prompt}"'.""",
        "task.model: must be text, got null.",
    ]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("a", "override 'a' is malformed: it must read 'path.to.setting=value'."),
        ("=1", "override '=1' is malformed: it must read 'path.to.setting=value'."),
        ("a..b=1", "override 'a..b=1' is malformed: it must read 'path.to.setting=value'."),
        (
            "a=[1",
            "override 'a=[1' is malformed: while parsing a flow sequence: expected ',' or ']', but got '<stream end>'. "
            "Put text in quotes: 'a=\"[1\"'.",
        ),
        (
            "a={p} x",
            "override 'a={p} x' is malformed: expected '<document start>', but found '<scalar>'. "
            "Put text in quotes: 'a=\"{p} x\"'.",
        ),
        ("a.b=1", "override 'a.b=1': a is 3 and has no setting 'b'."),
        ("list.2=1", "override 'list.2=1': list is a list; '2' is not one of its positions (0 to 1)."),
        ("list.x=1", "override 'list.x=1': list is a list; 'x' is not one of its positions (0 to 1)."),
        ("empty.0=1", "override 'empty.0=1': empty is a list; '0' is not one of its positions (it is empty)."),
    ],
)
def test_a_malformed_override_is_quoted(config, override, message):
    assert message_of(config, "a: 3\nlist: [1, 2]\nempty: []", override) == message
