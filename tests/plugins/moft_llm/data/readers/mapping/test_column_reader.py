"""Mappings of columns: prompts in every form, responses, names of labels, and what a mistake in a mapping says."""

from __future__ import annotations

import pytest

from moft import ConfigError, DataError
from moft.api import Reader
from moft.config.build_component import resolve
from moft_llm.data.chat.messages import Message, ToolPrompt
from moft_llm.data.filtering import filter_lists
from moft_llm.data.preference_example import Example
from moft_llm.data.readers.mapping.column_reader import Columns
from moft_llm.data.readers.mapping.label_mapping import LabelColumn

LABELS = {"good": [1, 0]}
PAIR = {"prompt": "p", "a": "yes", "b": "no"}


def chat(*texts):
    return [{"role": role, "content": text} for role, text in zip(("user", "assistant"), texts, strict=False)]


@pytest.fixture
def read(file_of):
    """Reads rows by a mapping of two columns `a` and `b`."""

    def examples(*rows, **settings):
        return list(Columns(file_of(*rows), **{"labels": LABELS, "responses": ["a", "b"], **settings}).examples())

    return examples


def test_a_config_gives_paths_alone_or_with_settings(plugins):
    given = {"name": "columns", "path": "x", "responses": "r", "labels": {"a": "s", "b": {"path": ["t", 0], "kind": "margin"}}}
    resolved = resolve(Reader, given, plugins)
    assert resolved.make() == Columns("x", {"a": "s", "b": LabelColumn(["t", 0], kind="margin")}, responses="r")
    assert resolve(Reader, resolved.plain, plugins).make() == resolved.make()
    with pytest.raises(ConfigError, match=r"task\.data\.labels\.b\.kind: must be 'rating', 'rank' or 'margin', got 'ranks'\."):
        resolve(Reader, {**given, "labels": {"b": {"path": "t", "kind": "ranks"}}}, plugins, "task.data")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"response": "r"}, "needs either responses, the paths of all of a row, or response"),
        ({"responses": None}, "needs either responses"),
        ({"labels": {}}, r"\[task\.data\.labels\] is empty; give at least one path\."),
        ({"prompt": []}, r"\[task\.data\.prompt\] is empty"),
        ({"responses": []}, r"\[task\.data\.responses\] is empty"),
        ({"prompt": "{a..b}"}, r"'a\.\.b' is no path"),
        ({"labels": {"{a[}": "x"}}, r"'a\[' is no path"),
    ],
)
def test_a_mapping_without_sense_is_refused(settings, says):
    with pytest.raises(ConfigError, match=says):
        Columns("x", **{"labels": LABELS, "responses": "r", **settings})


def test_a_path_that_finds_nothing_names_file_row_and_what_is_there(read):
    with pytest.raises(DataError, match=r"data\.jsonl:2: 'b' finds nothing: the row has no 'b'; it has prompt, a\.$"):
        read(PAIR, {"prompt": "p", "a": "yes"})


def test_prompts_that_must_agree_may_be_text_and_chats(read):
    row = {"prompt": "p ", "a": chat("p", "yes"), "b": chat("p", "no")}
    mapping = {"prompt": ["prompt", "a[:-1]", "b[:-1]"], "responses": ["a[-1]", "b[-1]"]}
    (example,) = read(row, **mapping)
    assert (example.prompt, example.responses) == ((Message("user", "p"),), ("yes", "no"))
    for change in ({"prompt": "q"}, {"b": chat("q", "no")}):
        with pytest.raises(DataError, match=r"data\.jsonl:1: the prompts disagree: a\[:-1\] is .*, but (prompt|b\[:-1\]) is "):
            read({**row, **change}, **mapping)


def test_a_system_prompt_becomes_the_first_message(read):
    first, second = read({**PAIR, "system": "Be brief."}, {**PAIR, "system": ""}, system="system")
    assert first.prompt == (Message("system", "Be brief."), Message("user", "p"))
    assert second.prompt == "p"
    with pytest.raises(DataError, match=r"data\.jsonl:1: the prompt begins with a system message, so system would be a second"):
        read({**PAIR, "prompt": [{"role": "system", "content": "s"}, *chat("p")], "system": "Be brief."}, system="system")


def test_tools_belong_to_the_prompt(read):
    (example,) = read({**PAIR, "prompt": chat("p"), "tools": [{"name": "f"}]})
    assert example.prompt == ToolPrompt((Message("user", "p"),), '[{"name": "f"}]')


def test_one_path_to_responses_needs_a_list(read):
    with pytest.raises(
        DataError, match=r"data\.jsonl:1: a is 'yes'; it must be a list\. If a row has one response, set response: a;"
    ):
        read(PAIR, responses="a")


def test_labels_without_a_name_or_with_the_same_are_refused(read):
    with pytest.raises(DataError, match=r"data\.jsonl:1: the label '\{kind\}' has no name here; every row needs one\."):
        read({**PAIR, "kind": " "}, labels={"{kind}": [1, 0]})
    with pytest.raises(DataError, match=r"data\.jsonl:1: two labels are called 'x' here; the name of the second is '\{kind\}'\."):
        read({**PAIR, "kind": "x"}, labels={"x": [1, 0], "{kind}": [1, 0]})


def test_a_chosen_response_equal_to_the_rejected_is_one_line(read):
    with pytest.raises(DataError, match=r"data\.jsonl:2: responses 1 and 2 are identical"):
        filter_lists(read(PAIR, {**PAIR, "b": "yes "}), "refuse")


def test_rows_of_one_response_are_grouped_and_others_are_not(read):
    rows = [{"prompt": "p", "r": f"{i}", "s": i} for i in range(3)]
    (example,) = read(*rows, responses=None, response="r", labels={"s": "s"})
    assert example.labels == {"s": (0.0, 1.0, 2.0)}
    assert [type(each) for each in read(PAIR, PAIR)] == [Example, Example]
