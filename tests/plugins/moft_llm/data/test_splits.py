"""Splits by a hash of the prompt, and as the data stores them."""

from __future__ import annotations

import json

import pytest

from moft import ConfigError, DataError
from moft.config.build_component import resolve
from moft_llm.data.preference_example import Message
from moft_llm.data.readers.list_readers import Lists
from moft_llm.data.splits import SPLITS, Shares, Splits, Stored, open_splits


@pytest.fixture
def file_of(tmp_path):
    """Writes a list for each prompt; gives the file."""

    def made(prompts, name="data.jsonl", responses=("a", "b")):
        rows = [{"prompt": prompt, "responses": list(responses)} for prompt in prompts]
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        return tmp_path / name

    return made


PROMPTS = [f"prompt {number}" for number in range(600)]


def test_a_prompt_stands_in_one_split_only(file_of):
    found = open_splits(Lists(str(file_of([*PROMPTS, *PROMPTS[:300]]))), Shares(), "refuse")
    prompts = [{example.prompt for example in found.examples[split]} for split in SPLITS]
    assert sum(map(len, prompts)) == len(PROMPTS)
    assert set.union(*prompts) == set(PROMPTS)
    assert sum(map(len, found.examples.values())) == 900
    assert found.notes == ()


def test_shares_are_about_what_was_asked_for_in_any_unit():
    counts = {split: [Shares(train=70, validation=20, test=10).of(prompt) for prompt in PROMPTS].count(split) for split in SPLITS}
    for split, share in zip(SPLITS, (0.7, 0.2, 0.1), strict=True):
        deviation = (share * (1 - share) / len(PROMPTS)) ** 0.5
        assert abs(counts[split] / len(PROMPTS) - share) < 4 * deviation
    assert [Shares(7, 2, 1).of(prompt) for prompt in PROMPTS[:50]] == [Shares(70, 20, 10).of(prompt) for prompt in PROMPTS[:50]]


def test_lists_that_come_later_move_no_other(file_of):
    few = open_splits(Lists(str(file_of(PROMPTS[:300]))), Shares(), "refuse").examples
    many = open_splits(Lists(str(file_of(PROMPTS))), Shares(), "refuse").examples
    for split in SPLITS:
        assert {example.prompt for example in few[split]} <= {example.prompt for example in many[split]}


def test_another_seed_deals_otherwise():
    assert [Shares(seed=1).of(prompt) for prompt in PROMPTS] != [Shares().of(prompt) for prompt in PROMPTS]
    assert [Shares(seed=1).of(prompt) for prompt in PROMPTS] == [Shares(seed=1).of(prompt) for prompt in PROMPTS]


def test_chats_are_dealt_by_all_they_hold():
    chats = [(Message("system", "Be kind."), Message("user", prompt)) for prompt in PROMPTS]
    assert {Shares().of(chat) for chat in chats} == set(SPLITS)
    assert [Shares().of(chat) for chat in chats] == [Shares().of(tuple(Message(**vars(m)) for m in chat)) for chat in chats]


def test_a_run_of_an_older_version_divides_by_roles_and_contents(tmp_path):
    turns = [[{"role": "user", "content": prompt, "name": f"u{number}"}] for number, prompt in enumerate(PROMPTS)]
    rows = [{"prompt": turn, "responses": ["a", "b"], "tools": [{"name": "f"}]} for turn in turns]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = open_splits(Lists(str(tmp_path / "rows.jsonl")), Shares(), "refuse", is_whole=False)
    for split, examples in found.examples.items():
        assert {Shares().of((Message("user", prompt),)) for prompt in PROMPTS} >= {split}
        assert all(Shares().of(example.prompt) == split and example.prompt[0].more == "" for example in examples)


def test_a_split_that_stays_empty_is_one_line(file_of):
    told = r"^\[task\.data\] the (train|validation|test) split has none of the {} prompts; each split needs at least one\. {}"
    with pytest.raises(DataError, match=told.format(2, r"Add other prompts: all responses to one prompt are in one split")):
        open_splits(Lists(str(file_of(PROMPTS[:2]))), Shares(), "refuse")
    with pytest.raises(DataError, match=r"^\[task\.data\] has no prompt that can be trained on\.$"):
        open_splits(Lists(str(file_of([]))), Shares(), "refuse")
    few = Lists(str(file_of(PROMPTS[:5])))
    with pytest.raises(DataError, match=told.format(5, r"Set task\.splits\.seed=\d+, which gives every split some")) as raised:
        open_splits(few, Shares(), "refuse")
    seed = int(str(raised.value).partition("seed=")[2].split(",")[0])
    assert all(open_splits(few, Shares(seed=seed), "refuse").examples.values())


def test_a_stored_split_without_lists_is_one_line(file_of):
    for name in ("train", "valid"):
        file_of(["a"], f"{name}.jsonl")
    folder = file_of([], "test.jsonl").parent
    with pytest.raises(
        DataError, match=r"the test split has none of the 2 prompts; each split needs at least one\. Add a prompt"
    ):
        open_splits(Lists(str(folder)), Stored(), "refuse")


def test_stored_splits_are_the_files_and_shared_prompts_are_told(file_of):
    file_of(["a", "b"], "train.jsonl")
    file_of(["c"], "valid.jsonl")
    folder = file_of(["b", "d", "a"], "test.jsonl").parent
    found = open_splits(Lists(str(folder)), Stored(), "refuse")
    assert {split: [example.prompt for example in part] for split, part in found.examples.items()} == {
        "train": ["a", "b"],
        "validation": ["c"],
        "test": ["b", "d", "a"],
    }
    assert found.notes == ("data: 2 of 3 test prompts are also in the training split.",)


def test_every_overlap_of_stored_splits_is_told_also_with_other_white_space(file_of):
    file_of(["a", "b"], "train.jsonl")
    file_of(["c", "a "], "valid.jsonl")
    folder = file_of(["c\n", " a", "d"], "test.jsonl").parent
    assert open_splits(Lists(str(folder)), Stored(), "refuse").notes == (
        "data: 1 of 2 validation prompts are also in the training split.",
        "data: 1 of 3 test prompts are also in the training split.",
        "data: 2 of 3 test prompts are also in the validation split.",
    )


def test_what_is_left_out_is_told_over_all_splits(file_of):
    for name in ("train", "valid"):
        file_of(["a"], f"{name}.jsonl", ("x", "", "y"))
    folder = file_of(["b"], "test.jsonl").parent
    assert open_splits(Lists(str(folder)), Stored(), "drop").notes[0] == "data: left out 2 empty responses."
    with pytest.raises(DataError, match=r"train\.jsonl:1: response 2 is empty"):
        open_splits(Lists(str(folder)), Stored(), "refuse")


def test_a_config_selects_how_lists_are_divided(plugins):
    assert resolve(Splits, {"name": "shares", "train": 8, "validation": 1, "test": 1}, plugins).make() == Shares(8, 1, 1)
    assert resolve(Splits, "stored", plugins).make() == Stored()


def test_splits_of_the_data_may_be_named_and_taken_out_of_the_training_split(file_of, plugins):
    file_of(PROMPTS, "train_prefs.jsonl")
    folder = file_of(["other"], "test_prefs.jsonl").parent
    splits = resolve(Splits, {"name": "stored", "train": "train_prefs", "validation": 0.2, "test": "test_prefs"}, plugins).make()
    found = open_splits(Lists(str(folder)), splits, "refuse").examples
    assert [example.prompt for example in found["test"]] == ["other"]
    assert 80 < len(found["validation"]) < 160
    assert sorted(example.prompt for split in ("train", "validation") for example in found[split]) == sorted(PROMPTS)
    both = open_splits(Lists(str(folder)), Stored(train="train_prefs", validation=0.1, test=0.3), "refuse").examples
    assert len(both["validation"]) < len(both["test"]) < len(both["train"])


def test_names_and_shares_of_splits_must_make_sense(plugins):
    with pytest.raises(ConfigError, match=r"\[task\.splits\] validation and test take all of the training split"):
        Stored(validation=0.5, test=0.5)
    with pytest.raises(ConfigError, match=r"\[task\.splits\] two splits are 'test'; they must differ\."):
        Stored(validation="test")
    with pytest.raises(ConfigError, match=r"splits\.validation: must be .*less than 1"):
        resolve(Splits, {"name": "stored", "validation": 1.5}, plugins, "splits")
