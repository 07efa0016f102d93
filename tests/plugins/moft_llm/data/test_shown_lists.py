"""Lists are shown in full, and ties are counted by pairs."""

from __future__ import annotations

from moft_llm.data.chat.messages import Message, ToolPrompt
from moft_llm.data.preference_example import Example
from moft_llm.data.shown_lists import shown_lists, tie_lines


def test_three_lists_are_shown_with_every_text():
    long = "word " * 500
    examples = [
        Example(long, ("a", "b"), {"x": (1.0, None), "y": (0.25, 2.0)}, "f:1"),
        Example(ToolPrompt((Message("system", "s"), Message("user", "u")), '[{"name": "f"}]'), ("a",), {}, "f:2"),
        Example("p", (Message("assistant", "a", '{"k": 1}'),), {}, "f:3"),
        Example("not shown", ("a",), {}, "f:4"),
    ]
    assert list(shown_lists(examples)) == [
        "List 1, from f:1",
        f"  prompt: {long}",
        "  response 1 (x 1, y 0.25): a",
        "  response 2 (x -, y 2): b",
        "",
        "List 2, from f:2",
        "  system: s",
        "  user: u",
        '  tools: [{"name": "f"}]',
        "  response 1 (no labels): a",
        "",
        "List 3, from f:3",
        "  prompt: p",
        '  response 1 (no labels): a {"k": 1}',
        "",
    ]


def test_ties_are_pairs_with_equal_labels():
    examples = [
        Example("p", ("a", "b", "c"), {"x": (1.0, 1.0, None), "y": (0.0, 1.0, 2.0)}, "f:1"),
        Example("q", ("a", "b", "c"), {"x": (3.0, 3.0, 3.0)}, "f:2"),
    ]
    assert list(tie_lines(examples, ["x", "y"])) == [
        "x: 4 of 4 pairs of labelled responses are ties (100.0%); they prefer nothing."
    ]
