"""What a prompt, a message, a text and a label may be."""

from __future__ import annotations

import pytest

from moft import DataError
from moft_llm.data.preference_example import Message, label_of, prompt_of, text_of

HERE = "data.jsonl:7"


def test_a_prompt_is_text_or_messages():
    assert prompt_of("Once", HERE) == "Once"
    chat = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}]
    assert prompt_of(chat, HERE) == (Message("system", "Be kind."), Message("user", "Hello"))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (3, r"^data\.jsonl:7: prompt is 3; it must be text, or a list of messages with role and content\.$"),
        (None, r"^data\.jsonl:7: prompt is None; it must be text, or a list of messages"),
        ([], r"^data\.jsonl:7: prompt is \[\]; it must be text, or a list of messages"),
        (["Hello"], r"^data\.jsonl:7: message 1 of prompt is 'Hello'; a message is \{role: text, content: text\}\.$"),
        ([{"role": "user"}], r"^data\.jsonl:7: message 1 of prompt is \{'role': 'user'\}; a message is"),
        ([{"role": "user", "content": None}], r"^data\.jsonl:7: content of message 1 of prompt is None; it must be text\.$"),
        ([{"role": 1, "content": "Hello"}], r"^data\.jsonl:7: role of message 1 of prompt is 1; it must be text\.$"),
        (
            [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}],
            r"^data\.jsonl:7: the last message of the prompt has the role assistant; the responses must follow another role\.$",
        ),
    ],
)
def test_any_other_prompt_is_one_line(value, says):
    with pytest.raises(DataError, match=says):
        prompt_of(value, HERE)


def test_half_a_surrogate_pair_is_no_text():
    with pytest.raises(
        DataError, match=r"^data\.jsonl:7: response 2 has half of a surrogate pair at character 3; it must be valid"
    ):
        text_of("abc\ud83d", "response 2", HERE)


def test_labels_are_finite_numbers_or_absent():
    assert [label_of(value, "label 1", HERE) for value in (2, -0.5, True, False, None)] == [2.0, -0.5, 1.0, 0.0, None]


@pytest.mark.parametrize("value", ["3", float("nan"), float("inf"), 10**400, [1.0]])
def test_any_other_label_is_one_line(value):
    with pytest.raises(
        DataError, match=r"^data\.jsonl:7: label 1 is .{1,44}; it must be a finite number, or null for a response"
    ):
        label_of(value, "label 1", HERE)


@pytest.mark.parametrize("value", [1e39, -1e300, 10**39])
def test_a_label_beyond_32_bits_is_one_line(value):
    with pytest.raises(DataError, match=r" label 1 is .{1,44}; it must be from -3\.4e\+38 to 3\.4e\+38, to fit into 32 bits\.$"):
        label_of(value, "label 1", HERE)
    assert label_of(3.4e38, "label 1", HERE) == 3.4e38


def test_a_text_that_takes_seconds_to_tokenize_is_refused_by_row():
    with pytest.raises(
        DataError, match=r"^data\.jsonl:7: response 1 has 10,000,000 characters; at most 1,000,000 are allowed\.$"
    ):
        text_of("a" * 10_000_000, "response 1", "data.jsonl:7")
