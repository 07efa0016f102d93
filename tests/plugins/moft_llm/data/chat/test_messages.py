"""Messages keep every key of the data, and what identifies a prompt covers all of them."""

from __future__ import annotations

import pytest

from moft import DataError
from moft_llm.data.chat.messages import Message, ToolPrompt, only_text, prompt_of, prompt_record, response_of, scorer_prompt
from moft_llm.data.splits import Shares

HERE = "data.jsonl:7"
CALL = [{"function": {"name": "weather", "arguments": {}}}]
TOOLS = [{"name": "weather"}]


def test_keys_of_a_message_stay_in_their_order_and_null_ones_go():
    message = {"role": "assistant", "content": "", "tool_calls": CALL, "reasoning_content": "Hm.", "name": None, "x": [1]}
    made = prompt_of([message, {"role": "tool", "content": "rain"}], HERE)
    assert [turn.fields() for turn in made] == [
        {key: value for key, value in message.items() if key != "name"},
        {"role": "tool", "content": "rain"},
    ]
    assert list(made[0].fields()) == ["role", "content", "tool_calls", "reasoning_content", "x"]
    assert made[1] == Message("tool", "rain")


EMPTY = ([], {}, "", None, {"arguments": None}, [None], [{"name": ""}], ())


@pytest.mark.parametrize("nothing", EMPTY, ids=str)
def test_keys_that_hold_nothing_go(nothing):
    keys = {"tool_calls": nothing, "reasoning_content": nothing, "annotations": nothing}
    plain = {"role": "assistant", "content": "a"}
    assert response_of({**plain, **keys}, "response 1", HERE) == "a"
    parts = [{"type": "text", "text": "a", **keys}, {"type": "text", "text": "", **keys}]
    assert prompt_of([{"role": "user", "content": parts, **keys}, {**plain, **keys, "role": "tool"}], HERE) == (
        prompt_of([{"role": "user", "content": [{"type": "text", "text": text} for text in ("a", "")]}], HERE)[0],
        Message("tool", "a"),
    )
    with pytest.raises(DataError, match=r"message 1 of response 1 is .* a message is \{role: text, content: text\}"):
        response_of({"role": "assistant", **keys}, "response 1", HERE)


@pytest.mark.parametrize("value", [0, False, [0], {"a": False}, " "])
def test_keys_that_hold_something_stay(value):
    assert response_of({"role": "assistant", "content": "a", "x": value}, "response 1", HERE).fields()["x"] == value


def test_a_message_that_calls_tools_needs_no_content():
    null, missing = ([{"role": "assistant", **more, "tool_calls": CALL}] for more in ({"content": None}, {}))
    assert response_of(null, "response 1", HERE).fields() == null[0]
    assert response_of(missing, "response 1", HERE).fields() == {**missing[0], "content": ""}
    with pytest.raises(DataError, match=r"^data\.jsonl:7: content of message 1 of prompt is None; it must be text\.$"):
        prompt_of([{"role": "user", "content": None}], HERE)


def test_prompts_that_differ_in_any_part_are_different_prompts():
    chat = [{"role": "user", "content": "a"}]
    named = [{"role": "user", "content": "a", "name": "b"}]
    prompts = [
        prompt_of(chat, HERE),
        prompt_of(named, HERE),
        prompt_of(chat, HERE, TOOLS),
        prompt_of(chat, HERE, [{"name": "x"}]),
    ]
    assert len(set(prompts)) == 4
    splits = [Shares(train=1, validation=1, test=1, seed=seed) for seed in range(40)]
    assert len({tuple(split.of(prompt) for split in splits) for prompt in prompts}) == 4
    assert len({tuple(split.of(prompt) for split in splits) for prompt in (prompts[0], prompt_of(chat, HERE, []))}) == 1


def test_tools_are_a_list_or_its_json_and_are_written_again():
    prompt = prompt_of("a", HERE, '[{"name": "weather"}]')
    assert (
        prompt
        == prompt_of([{"role": "user", "content": "a"}], HERE, TOOLS)
        == ToolPrompt((Message("user", "a"),), '[{"name": "weather"}]')
    )
    assert prompt_record(prompt) == {"prompt": [{"role": "user", "content": "a"}], "tools": TOOLS}
    assert scorer_prompt(prompt) == "a"
    assert prompt_of("a", HERE, "") == prompt_of("a", HERE, []) == "a"
    for tools in ("[1", {"name": "weather"}, [1]):
        with pytest.raises(DataError, match=r"^data\.jsonl:7: tools"):
            prompt_of("a", HERE, tools)


def test_a_response_is_text_or_one_message_of_the_assistant():
    assert response_of("a", "chosen", HERE) == "a"
    assert response_of([{"role": "assistant", "content": "a"}], "chosen", HERE) == "a"
    assert (
        response_of({"role": "assistant", "content": "a", "reasoning_content": "b"}, "chosen", HERE).keys == "reasoning_content"
    )
    trajectory = [{"role": "assistant", "content": "", "tool_calls": CALL}, {"role": "tool", "content": "rain"}]
    with pytest.raises(
        DataError,
        match=r"^data\.jsonl:7: chosen has 3 messages \(assistant, tool, assistant\), but all tokens of a response are trained, "
        r"so it must be one message of the assistant\. Put those before it, such as calls and results of tools, into the",
    ):
        response_of([*trajectory, {"role": "assistant", "content": "a"}], "chosen", HERE)
    for value in (3, [], None):
        with pytest.raises(DataError, match=r"^data\.jsonl:7: chosen is .*; it must be text\.$"):
            response_of(value, "chosen", HERE)


PARTS = [{"type": "text", "text": "One."}, {"type": "text", "text": "Two.", "image": None}]


def test_text_in_parts_is_kept_and_read_as_one_text():
    (message,) = prompt_of([{"role": "user", "content": PARTS, "name": "Ann"}], "a:1")
    assert (message.content, message.keys, message.has_parts) == ("One.\nTwo.", "name", True)
    assert message.fields()["content"] == [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]
    assert message.joined() == Message("user", "One.\nTwo.", '{"name": "Ann"}')
    assert response_of({"role": "assistant", "content": PARTS}, "response 1", "a:1") == "One.\nTwo."


@pytest.mark.parametrize(
    "part", ["One.", {"type": "image", "url": "a"}, {"type": "text", "text": 1}, {**PARTS[0], "more": 1}, {}]
)
def test_parts_that_are_not_text_are_refused(part):
    with pytest.raises(
        DataError, match=r"^a:1: content of message 1 of prompt is .*; it must be text, or parts \{type: text, text"
    ):
        prompt_of([{"role": "user", "content": [PARTS[0], part]}], "a:1")


def test_the_only_text_of_a_prompt_is_a_text_or_one_turn_of_a_user():
    turn = Message("user", "Hello")
    assert [only_text(prompt) for prompt in ("Once", (turn,), (Message("system", "Be brief."), turn))] == ["Once", "Hello", None]
    assert [only_text(prompt) for prompt in ((Message("assistant", "Yes"),), ToolPrompt((turn,), "[]"))] == [None, None]
    assert only_text((Message("user", "Hello", '{"name": "Ann"}'),)) is None
