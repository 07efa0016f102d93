"""The arguments of a call: one value for all prompts or one for each, checked, with one sentence on what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from moft import ConfigError, DataError
from moft.interfaces import TextSettings
from moft.run.policy.texts.text_rows import messages_of, plain, prompts_of, settings_rows, weights_rows
from moft.setting_types import MOST

CHAT = [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("Hi", ["Hi"]),
        (CHAT, [CHAT]),
        (["Hi", CHAT, "Ho"], ["Hi", CHAT, "Ho"]),
        ([CHAT, CHAT], [CHAT, CHAT]),
        ((text for text in ("a", "b")), ["a", "b"]),
        (np.array(["a", "b"]), ["a", "b"]),
    ],
)
def test_one_prompt_or_several_are_given(given, found):
    assert prompts_of(given) == found


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "there are no prompts"),
        (5, "prompt 1: 5 is no prompt"),
        (b"Hi", "prompt 1: b'Hi' is no prompt"),
        (["a", []], r"prompt 2: \[\] is no prompt"),
        ({"role": "user", "content": "Hi"}, "prompt 1: .* is no prompt; give a text, or a list of messages"),
        (["a", CHAT[0]], "prompt 2: .* is no prompt"),
    ],
)
def test_what_is_no_prompt_is_told(given, told):
    with pytest.raises(DataError, match=told):
        prompts_of(given)


def test_settings_are_for_all_prompts_or_for_each():
    rows = settings_rows({"stop": ["a", "b"], "top_k": [1, 2], "max_new_tokens": None}, 2)
    assert rows == [TextSettings(MOST, top_k=1, stop=("a", "b")), TextSettings(MOST, top_k=2, stop=("a", "b"))]
    assert [row.stop for row in settings_rows({"stop": [["a"], []]}, 2)] == [("a",), ()]
    assert [row.stop for row in settings_rows({"stop": [None, ["a"]]}, 2)] == [(), ("a",)]
    assert settings_rows({"stop": None}, 1) == [TextSettings()]
    assert settings_rows({"stop": "a\n", "greedy": True}, 1) == [TextSettings(greedy=True, stop=("a\n",))]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"stop": [""]}, "stop.0: must have at least 1 characters, got ''."),
        ({"stop": ""}, "stop.0: must have at least 1"),
        ({"stop": ["x"] * 17}, "stop: must have at most 16 entries"),
        ({"stop": "x" * 201}, "stop.0: must have at most 200 characters"),
        ({"stop": 5}, "stop: must be a list"),
        ({"stop": [["a"], [5]]}, "stop of prompt 2.0: must be text"),
        ({"top_p": 0}, "top_p: must be greater than 0, got 0."),
        ({"top_p": [0.5, 2]}, "top_p of prompt 2: must be at most 1, got 2."),
        ({"top_k": [1, 2, 3]}, "top_k: 3 values for 2 prompts; give one for all, or one for each."),
        ({"max_new_tokens": 0}, "max_new_tokens: must be at least 1"),
        ({"repetition_penalty": float("nan")}, "repetition_penalty: must be finite, got nan"),
        ({"min_new_tokens": 70}, "min_new_tokens: 70 must be at most max_new_tokens, 64."),
        ({"greedy": True, "top_p": 0.5}, "top_p has no effect with greedy"),
        ({"temperature": 1}, "'temperature' is no setting of a text.* Settings: max_new_tokens, greedy"),
        ({"top_kk": 1}, "'top_kk' is no setting of a text. Did you mean 'top_k'?"),
    ],
)
def test_a_wrong_setting_is_told(given, told):
    with pytest.raises(ConfigError, match=told):
        settings_rows(given, 2)


def test_greedy_rows_beside_sampled_ones_may_have_settings_of_sampling():
    assert [row.greedy for row in settings_rows({"greedy": [True, False], "top_p": 0.5}, 2)] == [True, False]


def test_weights_are_for_all_prompts_or_for_each():
    assert weights_rows(np.array([0.5, 0.5]), 3, "ab") == [[0.5, 0.5]] * 3
    assert weights_rows({"a": np.float32(0.5), "b": 0.5}, 1, "ab") == [{"a": 0.5, "b": 0.5}]
    assert weights_rows([(0, 1), {"a": 1}, "mine"], 3, "ab") == [[0, 1], {"a": 1}, "mine"]
    assert plain(((1, 2), "x")) == [[1, 2], "x"]
    for given, told in (
        (None, "weights: give the weights of a, b, the name"),
        (["mine"], "weights: 1 for 3 prompts"),
    ):
        with pytest.raises(ConfigError, match=told):
            weights_rows(given, 3, "ab")


def test_a_message_of_the_system_comes_first():
    assert messages_of("Hi", None, "prompt 1") == CHAT
    whole = messages_of(CHAT, "Be brief.", "prompt 1")
    assert whole == [{"role": "system", "content": "Be brief."}, *CHAT]
    with pytest.raises(ConfigError, match="prompt 2: the chat begins with a message of the system already"):
        messages_of(whole, "Be brief.", "prompt 2")
