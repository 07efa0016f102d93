"""Lists from the contract, PKU-SafeRLHF and rated responses; the real files where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from moft import ConfigError, DataError
from moft.api import Reader
from moft.config.build_component import resolve
from moft_llm.data.filtering import filter_lists
from moft_llm.data.preference_example import Example, Message
from moft_llm.data.readers.list_readers import Lists, PkuSafeRLHF, Rated
from moft_llm.data.readers.pair_readers import HH

ROOT = Path(__file__).resolve().parents[5]


@pytest.fixture
def real():
    """The path of a real file of preferences."""

    def found(name):
        folder = Path(os.environ.get("MOFT_DATA", ROOT.parent / "shared" / "data")) / "preferences"
        if not (folder / name).exists():
            pytest.skip(f"no {name} in {folder}: set MOFT_DATA to a folder that holds preferences/{name}")
        return str(folder / name)

    return found


def test_the_contract_is_read_as_it_stands(file_of):
    path = file_of(
        {"prompt": "p", "responses": ["a", "b"], "labels": {"good": [1, None], "other": None}, "source": "x"},
        {"prompt": [{"role": "user", "content": "p"}], "responses": ["a", "b", "c"]},
        {"prompt": "p", "responses": ["a", "b"], "labels": None},
    )
    assert list(Lists(path).examples()) == [
        Example("p", ("a", "b"), {"good": (1.0, None)}, f"{path}:1"),
        Example((Message("user", "p"),), ("a", "b", "c"), {}, f"{path}:2"),
        Example("p", ("a", "b"), {}, f"{path}:3"),
    ]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (
            {"prompt": "p", "response": "a"},
            r"has the fields prompt, response; a row is \{\"prompt\": text or messages, \"responses\"",
        ),
        ({"prompt": "p", "responses": "ab"}, r"responses is 'ab'; it must be a list of texts\.$"),
        ({"prompt": "p", "responses": ["a", 2]}, r"response 2 is 2; it must be text\.$"),
        ({"prompt": "p", "responses": ["a", "b"], "labels": [1, 0]}, r"labels is \[1, 0\]; it must be an object with a list of"),
        (
            {"prompt": "p", "responses": ["a", "b"], "labels": {"good": [1, 2, 3]}},
            r"label 'good' has 3 values for 2 responses; give a number or null for each\.$",
        ),
        (
            {"prompt": "p", "responses": ["a", "b"], "labels": {"good": 1}},
            r"label 'good' has 1 for 2 responses; give a number or null",
        ),
        (
            {"prompt": "p", "responses": ["a", "b"], "labels": {"good": [1, "x"]}},
            r"label 2 of 'good' is 'x'; it must be a finite",
        ),
    ],
)
def test_a_row_of_another_form_is_one_line(file_of, row, says):
    path = file_of({"prompt": "p", "responses": ["a", "b"]}, row)
    with pytest.raises(DataError, match=rf"data\.jsonl:2: {says}"):
        list(Lists(path).examples())


def pku(**changes):
    row = {"prompt": "p", "response_0": "a", "response_1": "b", "better_response_id": 0, "safer_response_id": 1}
    return {**row, "is_response_0_safe": False, "is_response_1_safe": False, **changes}


def test_pku_gives_each_objective_to_the_response_that_won(file_of):
    path = file_of(pku(), pku(better_response_id=1, is_response_1_safe=True))
    first, second = PkuSafeRLHF(path).examples()
    assert first.responses == ("a", "b")
    assert first.labels == {"helpful": (1.0, 0.0), "harmless": (0.0, 1.0)}
    assert second.labels == {"helpful": (0.0, 1.0), "harmless": (0.0, 1.0)}
    assert list(PkuSafeRLHF(path, keep_unsafe=False).examples()) == [second]


def test_a_winner_that_is_none_of_the_two_is_one_line(file_of):
    with pytest.raises(DataError, match=r"data\.jsonl:1: safer_response_id is None; it must be 0 or 1\.$"):
        list(PkuSafeRLHF(file_of(pku(safer_response_id=None))).examples())
    with pytest.raises(DataError, match=r"data\.jsonl:1: there is no column 'better_response_id'\. Columns: prompt\.$"):
        list(PkuSafeRLHF(file_of({"prompt": "p"})).examples())


def test_rated_rows_of_one_prompt_are_a_list_wherever_they_stand(file_of):
    path = file_of(
        {"prompt": "p", "response": "a", "clear": 3, "short": 1.5, "by": "me"},
        {"prompt": "q", "response": "c", "clear": 2, "short": 0},
        {"prompt": "p", "response": "b", "clear": None, "short": 2},
    )
    assert list(Rated(path).examples()) == [
        Example("p", ("a", "b"), {"clear": (3.0, None), "short": (1.5, 2.0)}, f"{path}:1"),
        Example("q", ("c",), {"clear": (2.0,), "short": (0.0,)}, f"{path}:2"),
    ]
    assert [example.labels for example in Rated(path, labels=["short"]).examples()] == [{"short": (1.5, 2.0)}, {"short": (0.0,)}]


def test_a_rating_that_is_null_in_the_first_row_is_a_rating(file_of):
    path = file_of(
        {"prompt": "p", "response": "a", "clear": None, "short": 1, "by": None},
        {"prompt": "p", "response": "b", "clear": 2, "short": 2, "by": "me"},
    )
    (example,) = Rated(path).examples()
    assert example.labels == {"clear": (None, 2.0), "short": (1.0, 2.0)}


def test_rated_columns_may_have_other_names_and_chats_are_grouped_too(file_of):
    chat = [{"role": "user", "content": "p"}]
    path = file_of({"question": chat, "answer": "a", "score": 1}, {"question": chat, "answer": "b", "score": 2})
    (example,) = Rated(path, prompt="question", response="answer").examples()
    assert example == Example((Message("user", "p"),), ("a", "b"), {"score": (1.0, 2.0)}, f"{path}:1")


def test_rated_rows_without_numbers_are_one_line(file_of):
    path = file_of({"prompt": "p", "response": "a", "good": "3"})
    with pytest.raises(
        DataError, match=r"data\.jsonl:1: no column holds a number\. Name the ratings in labels\. Columns: prompt,"
    ):
        list(Rated(path).examples())
    with pytest.raises(DataError, match=r"data\.jsonl:1: good is '3'; it must be a finite number"):
        list(Rated(path, labels=["good"]).examples())


def test_a_stored_split_is_read_alone(file_of):
    for name in ("train", "test"):
        path = file_of({"prompt": name, "responses": ["a", "b"]}, name=f"{name}.jsonl")
    assert [example.prompt for example in Lists(str(Path(path).parent)).examples("test")] == ["test"]


def test_a_config_selects_a_reader_by_name(plugins):
    assert resolve(Reader, {"name": "lists", "path": "a.jsonl"}, plugins).make() == Lists("a.jsonl")
    assert resolve(Reader, {"name": "hh", "paths": {"helpful": "a.json"}}, plugins).make() == HH({"helpful": "a.json"})
    made = resolve(Reader, {"name": "rated", "path": "a", "labels": ["x"]}, plugins).make()
    assert made == Rated("a", labels=["x"])
    with pytest.raises(
        ConfigError,
        match=r"task\.data: needs the name of a reader\. Known readers: columns, hh, joined, lists, pairs, pku-saferlhf, rated",
    ):
        resolve(Reader, {"path": "a"}, plugins, "task.data")


def test_real_pku_pairs_disagree_as_often_as_is_known(real):
    examples = list(PkuSafeRLHF(real("pku_saferlhf_500.jsonl")).examples())
    assert (len(examples), len({example.prompt for example in examples})) == (500, 490)
    disagree = sum(example.labels["helpful"] != example.labels["harmless"] for example in examples)
    assert disagree / 500 == pytest.approx(0.234)
    assert filter_lists(examples, "refuse").examples == tuple(examples)
    assert len(list(PkuSafeRLHF(real("pku_saferlhf_500.jsonl"), keep_unsafe=False).examples())) == 500 - 253


def test_real_helpsteer_is_lists_of_five_objectives(real):
    examples = list(Rated(real("helpsteer_500.jsonl")).examples())
    assert len(examples) == 139
    assert sum(len(example.responses) for example in examples) == 500
    assert all(
        list(example.labels) == ["helpfulness", "correctness", "coherence", "complexity", "verbosity"] for example in examples
    )
    found = filter_lists(examples, "drop")
    assert len(found.examples) == 139 - found.short
    left = 500 - found.repeated - found.empty - found.short  # of a list that is left out, one response remained
    assert sum(len(example.responses) for example in found.examples) == left
