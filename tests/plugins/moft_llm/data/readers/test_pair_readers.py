"""Pairs from columns of text and of chats, and from transcripts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from moft import ConfigError, DataError
from moft_llm.data.chat.messages import prompt_record
from moft_llm.data.filtering import filter_lists
from moft_llm.data.preference_example import Example, Message
from moft_llm.data.readers.pair_readers import HH, Pairs

ROOT = Path(__file__).resolve().parents[5]
USER = {"role": "user", "content": "p"}
CALLED = [{"role": "assistant", "content": None, "tool_calls": [{"name": "f"}]}, {"role": "tool", "content": "r"}]


def assignment(text):
    return {"role": "assistant", "content": text}


def test_columns_of_text_are_a_pair(file_of):
    path = file_of({"prompt": "p", "chosen": "a", "rejected": "b", "margin": 1})
    assert list(Pairs(path).examples()) == [Example("p", ("a", "b"), {"preferred": (1.0, 0.0)}, f"{path}:1")]
    path = file_of({"q": "p", "yes": "a", "no": "b"})
    (example,) = Pairs(path, objective="kind", prompt="q", chosen="yes", rejected="no").examples()
    assert example == Example("p", ("a", "b"), {"kind": (1.0, 0.0)}, f"{path}:1")


@pytest.mark.parametrize(
    "row",
    [
        {"chosen": [USER, assignment("a")], "rejected": [USER, assignment("b")]},
        {"prompt": "p ", "chosen": [USER, assignment("a")], "rejected": [USER, assignment("b")]},
        {"prompt": [USER], "chosen": [USER, assignment("a")], "rejected": [USER, assignment("b")]},
        {"prompt": [USER], "chosen": [assignment("a")], "rejected": [assignment("b")]},
        {"prompt": [USER], "chosen": assignment("a"), "rejected": {**assignment("b"), "tool_calls": []}},
    ],
    ids=["no prompt", "text beside whole chats", "messages beside whole chats", "chats of one message", "messages"],
)
def test_columns_of_chats_end_in_the_responses(file_of, row):
    path = file_of(row)
    assert list(Pairs(path).examples()) == [Example((Message("user", "p"),), ("a", "b"), {"preferred": (1.0, 0.0)}, f"{path}:1")]


@pytest.mark.parametrize("shorter", ["prompt", "chosen", "nothing"])
def test_of_a_prompt_and_chats_that_agree_the_longer_is_the_prompt(shorter, file_of):
    system = {"role": "system", "content": "s"}
    prompt, before = ([USER] if shorter == name else [system, USER] for name in ("prompt", "chosen"))
    path = file_of({"prompt": prompt, "chosen": [*before, assignment("a")], "rejected": [*before, assignment("b")]})
    (example,) = Pairs(path).examples()
    assert example.prompt == (Message("system", "s"), Message("user", "p"))


def test_a_prompt_and_chats_with_other_system_messages_disagree(file_of):
    prompt, before = ([{"role": "system", "content": text}, USER] for text in "st")
    path = file_of({"prompt": prompt, "chosen": [*before, assignment("a")], "rejected": [*before, assignment("b")]})
    with pytest.raises(DataError, match=r"but chosen begins with other messages\. Remove one of the two\.$"):
        list(Pairs(path).examples())


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"prompt": "p", "chosen": "a"}, r"there is no column 'rejected'\. Columns: prompt, chosen\.$"),
        ({"chosen": "a", "rejected": "b"}, r"there is no column 'prompt'\. Columns: chosen, rejected\.$"),
        ({"prompt": "p", "chosen": [], "rejected": "b"}, r"chosen is \[\]; it must be text\.$"),
        (
            {"prompt": "other", "chosen": [USER, assignment("a")], "rejected": [USER, assignment("b")]},
            r"prompt is 'other', but chosen begins with other messages\. Remove one of the two\.$",
        ),
        (
            {
                "prompt": [{"role": "user", "content": "q"}],
                "chosen": [USER, assignment("a")],
                "rejected": [USER, assignment("b")],
            },
            r"prompt is \[\{'role': .*, but chosen begins with other messages\. Remove one of the two\.$",
        ),
        (
            {"chosen": [USER, *CALLED, assignment("a")], "rejected": [USER, assignment("b")]},
            r"chosen and rejected differ from message 2 on, which is not their last\. All tokens of a response",
        ),
        (
            {"chosen": [USER, {**assignment("a"), "role": "user", "name": "b"}], "rejected": [USER, assignment("b")]},
            r"the last message of chosen has the role user; it is the response, so it must be a message of the assistant\.$",
        ),
        *(
            (
                {"chosen": [USER, assignment("a")], "rejected": [USER, {"role": role, "content": "b"}]},
                rf"the last message of rejected has the role {role}; it is the response, so it must be a message of the",
            )
            for role in ("user", "system", "tool", "Assistant")
        ),
        ({"prompt": "p", "chosen": [assignment("a")], "rejected": [USER]}, r"rejected has 1 messages \(user\), but all tokens"),
        (
            {"chosen": [USER, assignment("a")], "rejected": [{"role": "user", "content": "q"}, assignment("b")]},
            r"chosen and rejected begin with different messages; a pair must have one prompt\.$",
        ),
        ({"prompt": "p", "chosen": ["a"], "rejected": ["b"]}, r"message 1 of chosen is 'a'; a message is"),
    ],
)
def test_a_row_that_is_no_pair_is_one_line(file_of, row, says):
    with pytest.raises(DataError, match=rf"data\.jsonl:1: {says}"):
        list(Pairs(file_of(row)).examples())


START = "\n\nHuman: one\n\nAssistant: two\n\nHuman: three\n\nAssistant:"


def test_the_prompt_of_transcripts_is_what_they_share_up_to_the_last_answer(file_of):
    path = file_of({"text": [f"{START} the same start a", f"{START} the same start b"], "score": [1.0, 0.0]})
    columns = file_of({"chosen": f"{START} yes", "rejected": f"{START} no"}, name="columns.jsonl")
    assert list(HH({"kind": path, "brief": columns}).examples()) == [
        Example(START, (" the same start a", " the same start b"), {"kind": (1.0, 0.0)}, f"{path}:1"),
        Example(START, (" yes", " no"), {"brief": (1.0, 0.0)}, f"{columns}:1"),
    ]


def test_transcripts_that_part_early_have_a_short_prompt_and_long_responses(file_of):
    early = "\n\nHuman: one\n\nAssistant:"
    path = file_of({"text": [f"{early} a\n\nHuman: x\n\nAssistant: c", f"{early} b\n\nHuman: x\n\nAssistant: c"]})
    (example,) = HH({"kind": path}).examples()
    assert example.prompt == early
    assert example.responses == (" a\n\nHuman: x\n\nAssistant: c", " b\n\nHuman: x\n\nAssistant: c")


def test_the_turns_of_a_transcript_may_become_a_chat(file_of):
    path = file_of({"text": [f"{START} yes ", f"{START} no"]})
    (example,) = HH({"kind": path}, turns="messages").examples()
    assert example.prompt == (Message("user", "one"), Message("assistant", "two"), Message("user", "three"))
    assert example.responses == ("yes", "no")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (
            {"text": ["\n\nHuman: a", "\n\nHuman: b"]},
            r"the transcripts share no text up to an 'Assistant:', so they have no common prompt",
        ),
        ({"text": [START]}, r"text is \[.*; it must be a list of two transcripts, the chosen one first\.$"),
        ({"text": [START, 1]}, r"text 2 is 1; it must be text\.$"),
        ({"other": 1}, r"there is no column 'chosen'\. Columns: other\.$"),
        (
            {"text": ["Be kind.\n\nHuman: a\n\nAssistant: b", "Be kind.\n\nHuman: a\n\nAssistant: c"]},
            r"the prompt does not begin and end with a 'Human:' turn, so it is not a chat\. Use turns: text\.$",
        ),
    ],
)
def test_what_is_no_pair_of_transcripts_is_one_line(file_of, row, says):
    with pytest.raises(DataError, match=rf"data\.jsonl:1: {says}"):
        list(HH({"kind": file_of(row)}, turns="messages").examples())


def test_no_file_at_all_is_one_line():
    with pytest.raises(ConfigError, match=r"^\[task\.data\.paths\] is empty; give at least one file, such as helpful: helpful"):
        HH({})


@pytest.mark.slow
def test_real_transcripts_are_labelled_for_one_objective_each():
    folder = Path(os.environ.get("MOFT_DATA", ROOT.parent / "shared" / "data")) / "preferences"
    paths = {"helpful": folder / "hh_helpful_2352.json", "harmless": folder / "hh_harmless_2312.json"}
    if not all(path.exists() for path in paths.values()):
        pytest.skip(f"no HH files in {folder}: set MOFT_DATA to a folder that holds preferences/hh_helpful_2352.json")
    found = filter_lists(HH({name: str(path) for name, path in paths.items()}).examples(), "drop")
    assert len(found.examples) == 2352 + 2312 - found.short
    counts = {name: sum(list(example.labels) == [name] for example in found.examples) for name in paths}
    assert sum(counts.values()) == len(found.examples)
    assert all(example.prompt.endswith("\n\nAssistant:") and len(example.responses) == 2 for example in found.examples)


def test_shared_calls_and_results_of_tools_and_tools_are_in_the_prompt(file_of):
    chats = {"chosen": [USER, *CALLED, assignment("a")], "rejected": [USER, *CALLED, assignment("b")]}
    (example,) = Pairs(file_of({**chats, "tools": [{"name": "f"}]})).examples()
    assert prompt_record(example.prompt) == {"prompt": [USER, *CALLED], "tools": [{"name": "f"}]}
    assert example.responses == ("a", "b")


def test_texts_with_an_implicit_prompt_are_cut_at_the_word_where_they_differ(file_of):
    path = file_of({"chosen": "The sky is blue.", "rejected": "The sky is black."})
    (example,) = Pairs(path, prompt=None).examples()
    assert (example.prompt, example.responses) == ("The sky is", (" blue.", " black."))
    with pytest.raises(
        DataError, match=r"data\.jsonl:1: chosen and rejected begin with different words, so they hold no prompt\."
    ):
        list(Pairs(file_of({"chosen": "Blue.", "rejected": "Black."}), prompt=None).examples())


def test_pairs_are_of_one_file_or_of_one_for_each_objective(file_of):
    paths = {name: file_of({"prompt": "p", "chosen": a, "rejected": b}, name=f"{name}.jsonl") for name, a, b in ("xab", "yba")}
    (example,) = Pairs(paths=paths).examples()
    assert example == Example("p", ("a", "b"), {"x": (1.0, 0.0), "y": (0.0, 1.0)}, f"{paths['x']}:1")
    for settings in ({}, {"path": "a", "paths": paths}):
        with pytest.raises(ConfigError, match=r"pairs need either path, of one objective, or paths, by objective\."):
            Pairs(**settings)
    with pytest.raises(ConfigError, match=r"\[task\.data\.objective\] has no effect with paths"):
        Pairs(paths=paths, objective="x")


def test_a_role_of_several_lines_is_told_in_one(file_of):
    path = file_of({"chosen": [USER, {"role": "a\nb", "content": "x"}], "rejected": [USER, assignment("y")]})
    with pytest.raises(DataError, match=r"data\.jsonl:1: the last message of chosen has the role a b; it is the response"):
        list(Pairs(path).examples())
