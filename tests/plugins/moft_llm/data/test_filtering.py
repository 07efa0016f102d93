"""Faulty lists are refused by place, or left out and counted."""

from __future__ import annotations

import pytest

from moft import DataError
from moft_llm.data.chat.messages import ToolPrompt, is_blank
from moft_llm.data.filtering import FilteredLists, check_scorable, filter_lists
from moft_llm.data.preference_example import Example, Message


def example(*responses: str, where: str = "data.jsonl:1") -> Example:
    return Example("Once", responses, {"good": tuple(float(i) for i in range(len(responses)))}, where)


def test_sound_lists_stay_as_they_are():
    lists = [example("a", "b"), example(" c", "d", "e")]
    for faulty in ("refuse", "drop"):
        assert filter_lists(lists, faulty) == FilteredLists(tuple(lists))
    assert filter_lists(lists, "drop").notes == ()


@pytest.mark.parametrize(
    ("responses", "says"),
    [
        (("a", " \n"), r"response 2 is empty; every response needs text\."),
        (("a", "b", " a "), r"responses 1 and 3 are identical; responses to a prompt must differ\."),
        (("a",), r"the prompt has 1 response; it needs at least two\."),
        ((), r"the prompt has no response; it needs at least two\."),
    ],
)
def test_a_faulty_list_is_refused_by_its_place(responses, says):
    with pytest.raises(DataError, match=rf"^data\.jsonl:9: {says} Set task\.faulty: drop to leave it out\.$"):
        filter_lists([example("a", "b"), example(*responses, where="data.jsonl:9")], "refuse")


def test_nobody_is_told_to_drop_where_nothing_would_stay():
    told = r"^data\.jsonl:1: the prompt has 1 response; it needs at least two\. No other prompt can be trained on either\.$"
    with pytest.raises(DataError, match=told):
        filter_lists([example("a"), example("b", "")], "refuse")


ASKED = (Message("system", "Be kind."), Message("user", "Hi"), Message("assistant", "Yes?"))


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        " \n",
        (Message("system", ""), Message("user", " ")),
        "\u200b",
        " \xa0\ufeff",
        "\u2800\u3164\ufe0f",
        (ASKED[0], Message("user", "\u200b")),
        (*ASKED, Message("user", " ")),
        (ASKED[0], Message("user", " ", '{"name": "Ann"}')),
    ],
)
def test_a_blank_prompt_is_refused_by_its_place_or_left_out(prompt):
    blank = Example(prompt, ("a", "b"), {}, "data.jsonl:9")
    with pytest.raises(DataError, match=r"^data\.jsonl:9: the prompt is blank; every prompt needs text\. Set task\.faulty: drop"):
        filter_lists([example("a", "b"), blank], "refuse")
    found = filter_lists([example("a", "b"), blank], "drop")
    assert found.examples == (example("a", "b"),)
    assert found.notes == ("data: left out 1 prompts without text.",)


@pytest.mark.parametrize("prompt", ["?", "\u200b.", (Message("system", "Greet."),), (*ASKED, Message("tool", ""))])
def test_a_prompt_with_something_to_read_is_not_blank(prompt):
    assert not is_blank(prompt)


def test_a_response_that_nobody_sees_is_empty_but_not_in_an_old_run():
    with pytest.raises(DataError, match=r"^data\.jsonl:1: response 2 is empty; every response needs text\."):
        filter_lists([example("a", "\u200b")], "refuse")
    with pytest.raises(DataError, match=r"^data\.jsonl:1: response 2 is empty; scoring needs responses with text\.$"):
        check_scorable([example("a", "\u200b")])
    old = [example("a", "\u200b"), Example(" ", ("a", "b"), {}, "data.jsonl:2")]
    assert filter_lists(old, "refuse", keeps_blank=True).examples == tuple(old)


@pytest.mark.parametrize("check", [check_scorable, lambda lists: filter_lists(lists, "drop")])
def test_more_responses_than_fit_are_refused(check):
    with pytest.raises(DataError, match=r"^data\.jsonl:1: the prompt has 3,000 responses; at most 1,000 are allowed\."):
        check([example(*map(str, range(3000)))])


def test_what_is_dropped_takes_its_labels_along_and_is_counted():
    found = filter_lists([example("a", "", "b", " a", "c"), example("a", "", "a"), example("a")], "drop")
    assert found.examples == (Example("Once", ("a", "b", "c"), {"good": (0.0, 2.0, 4.0)}, "data.jsonl:1"),)
    assert (found.empty, found.repeated, found.short) == (2, 2, 2)
    assert found.notes == (
        "data: left out 2 empty responses.",
        "data: left out 2 repeated responses.",
        "data: left out 2 prompts with fewer than two responses.",
    )


def test_one_response_and_repeats_can_be_scored():
    lists = [example("a"), example("a", "b", "a")]
    assert check_scorable(lists) == tuple(lists)


@pytest.mark.parametrize(("responses", "says"), [(("a", " "), "response 2 is empty"), ((), "the prompt has no response")])
def test_a_list_without_text_is_not_scored(responses, says):
    with pytest.raises(DataError, match=rf"^data\.jsonl:1: {says}; scoring needs responses with text\.$"):
        check_scorable([example(*responses)])


CALL = '{"tool_calls": [{"function": {"name": "weather"}}]}'
USER, CALLING = Message("user", "Rain?"), Message("assistant", "", CALL)


@pytest.mark.parametrize(
    ("prompt", "responses", "what"),
    [
        ((USER, CALLING, Message("tool", "no")), ("a", "b"), "message 2 of the prompt"),
        ("Rain?", ("a", CALLING), "response 2"),
    ],
)
def test_a_call_of_a_tool_needs_tools(prompt, responses, what):
    faulty, sound = Example(prompt, responses, {}, "data.jsonl:9"), example("a", "b")
    told = (
        rf"^data\.jsonl:9: {what} calls a tool, but the row has no tools; put them into the column tools\. Set task\.faulty: drop"
    )
    with pytest.raises(DataError, match=told):
        filter_lists([sound, faulty], "refuse")
    found = filter_lists([sound, faulty], "drop")
    assert (found.examples, found.calls) == ((sound,), 1)
    assert found.notes == ("data: left out 1 prompts with calls of tools that the row does not have.",)
    assert filter_lists([faulty], "refuse", keeps_blank=True).examples == (faulty,)


def test_tools_may_be_in_the_column_or_told_by_the_system():
    tools = Example(ToolPrompt((USER,), '[{"name": "weather"}]'), ("a", CALLING), {}, "data.jsonl:9")
    told = Example((Message("system", "You can ask for the weather."), USER), ("a", CALLING), {}, "data.jsonl:9")
    assert filter_lists([tools, told], "refuse").examples == (tools, told)


def test_a_prompt_may_need_one_response_only():
    assert filter_lists([example("a")], "refuse", least=1).examples == (example("a"),)
    with pytest.raises(DataError, match=r"the prompt has no response; it needs at least one\."):
        filter_lists([example("a"), example()], "refuse", least=1)
    with pytest.raises(DataError, match=r"responses 1 and 2 are identical"):
        filter_lists([example("a"), example("a", "a")], "refuse", least=1)
    assert filter_lists([example("a", "a")], "drop", least=1).examples == (example("a"),)
