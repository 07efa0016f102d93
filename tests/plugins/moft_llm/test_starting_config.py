"""`moft new config llm`: the reader and the objectives from the data itself, in a config that trains as it is."""

from __future__ import annotations

import json
import re

import pytest

from moft.config.yaml12 import load


def rows_of(layout: str) -> list[dict[str, object]]:
    """Rows of a layout, for thirty prompts."""
    numbers = range(30)
    if layout == "pairs":
        return [{"prompt": f"q {i}?", "chosen": f"yes {i}", "rejected": "no"} for i in numbers]
    if layout == "chats":
        turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "q"}]
        ask = [[turns[0], {**turns[1], "content": f"q {i}?"}] for i in numbers]
        say = {"chosen": {"role": "assistant", "content": "yes"}, "rejected": {"role": "assistant", "content": "no"}}
        return [{name: [*before, answer] for name, answer in say.items()} for before in ask]
    if layout == "pku":
        ids = [{"better_response_id": i % 2, "safer_response_id": i // 2 % 2} for i in numbers]
        return [{"prompt": f"q {i}?", "response_0": "yes", "response_1": "no", **ids[i]} for i in numbers]
    if layout == "rated":
        return [{"prompt": f"q {i // 2}?", "response": f"r {i}", "help": i % 5, "wordy": i * 7 % 3} for i in range(60)]
    if layout == "hh":
        return [
            {"chosen": f"\n\nHuman: q {i}\n\nAssistant: yes", "rejected": f"\n\nHuman: q {i}\n\nAssistant: no"} for i in numbers
        ]
    return [
        {"prompt": f"q {i}?", "responses": ["a", "b c", "d"], "labels": {"brief": [2, 0.5, i], "alike": [1, 1, 1]}}
        for i in numbers
    ]


@pytest.fixture
def save(tmp_path, monkeypatch):
    """Writes rows as JSON lines."""
    monkeypatch.chdir(tmp_path)

    def lines(rows, name="data.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return name

    return lines


@pytest.fixture
def written(moft):
    """The task's part of the config that the command prints."""

    def of(data, *more):
        said = moft("new", "config", "llm", "--data", data, *more)
        assert (said.code, said.mistakes) == (0, [])
        return load(said.out)["task"]

    return of


DPO = {"loss": {"name": "listnet", "target": "sum"}}
GRADED = {"transform": "standardise", "sharpness": 1.5}


@pytest.mark.parametrize(
    ("layout", "reader", "objectives"),
    [
        ("lists", {"name": "lists", "path": "data.jsonl"}, {"brief": GRADED}),
        ("pairs", {"name": "pairs", "path": "data.jsonl"}, {"preferred": DPO}),
        ("chats", {"name": "pairs", "path": "data.jsonl"}, {"preferred": DPO}),
        ("pku", {"name": "pku-saferlhf", "path": "data.jsonl"}, {"helpful": DPO, "harmless": DPO}),
        ("rated", {"name": "rated", "path": "data.jsonl", "labels": ["help", "wordy"]}, {"help": GRADED, "wordy": GRADED}),
        ("hh", {"name": "hh", "paths": {"preferred": "data.jsonl"}}, {"preferred": DPO}),
    ],
)
def test_each_layout_has_its_reader_and_objectives_and_resolves(layout, reader, objectives, moft, save, written, tiny_models):
    task = written(save(rows_of(layout)))
    assert (task["data"], task["objectives"]) == (reader, objectives)
    assert task["template"] == ("chat" if layout == "chats" else "none")
    assert moft("new", "config", "llm", "--data", "data.jsonl", "--model", tiny_models(), "--out", "c.yaml").code == 0
    assert moft("config", "check", "c.yaml").out == "c.yaml: no mistakes.\n"


@pytest.mark.slow
def test_what_is_written_trains_as_it_is(moft, save, tiny_models, tmp_path):
    save(rows_of("rated"))
    assert moft("new", "config", "llm", "--data", "data.jsonl", "--model", tiny_models(), "--out", "c.yaml").code == 0
    quick = ("--set", "trainer.epochs=1", "--set", "profile.points=3", "--set", "profile.bootstrap_samples=20")
    assert moft("train", "c.yaml", *quick).code == 0
    assert json.loads((tmp_path / "runs" / "c" / "front.json").read_text())["objectives"] == ["help", "wordy"]


def test_the_model_is_an_environment_variable_unless_one_is_named(save, written):
    assert written(save(rows_of("lists")))["model"] == "${MODEL}"
    assert written("data.jsonl", "--model", "owner/model")["model"] == "owner/model"


def test_faulty_lists_are_dropped_and_few_lists_are_dealt_so_that_no_split_is_empty(save, written):
    rows = [{"prompt": f"q {i}?", "responses": ["a", "a", "b"], "labels": {"brief": [1, 1, 0]}} for i in range(4)]
    task = written(save(rows))
    assert task["faulty"] == "drop"
    assert task["splits"] == {"name": "shares", "train": 0.6, "validation": 0.2, "test": 0.2} | (
        {"seed": task["splits"]["seed"]} if "seed" in task["splits"] else {}
    )


def test_a_folder_with_a_file_for_each_split_keeps_them(save, written, tmp_path):
    for split in ("train", "validation", "test"):
        save(rows_of("lists"), f"data/{split}.jsonl")
    assert written("data")["splits"] == {"name": "stored"}


@pytest.mark.parametrize(
    ("rows", "more", "told"),
    [
        ([{"question": "q", "answer": "a"}], [], "data.jsonl:1: has question, answer, which is no layout of these: lists"),
        ([{"chosen": "a", "rejected": "b"}], [], "has chosen, rejected, which is no layout of these"),
        ([], [], "data.jsonl: holds no list"),
        ([{"prompt": "q", "responses": ["a", "b"], "labels": {"x": [1]}}], [], "'x' has 1 values for 2 responses"),
        ([{"prompt": f"q {i}", "responses": ["a", "b"], "labels": {"x": [1, 1]}} for i in range(9)], [], "no label prefers one"),
        ([{"prompt": "q", "responses": ["a", "b"], "labels": {"x": [1, 0]}}], [], "each split needs at least one"),
        (rows_of("lists"), ["--label", "x=3"], "--label is for rankers"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(rows, more, told, moft, save):
    said = moft("new", "config", "llm", "--data", save(rows), *more)
    assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)
    assert re.search(re.escape(told), said.mistakes[0])


def test_a_label_that_no_objective_can_be_called_as_gets_another_name(save, written):
    rows = [{"prompt": f"q {i}?", "responses": ["a", "b"], "labels": {"loss": [1, 0], "a, b": [0, 1]}} for i in range(30)]
    objectives = written(save(rows))["objectives"]
    assert objectives == {"label-loss": {"label": "loss", **DPO}, "a- b": {"label": "a, b", **DPO}}


def test_ratings_of_ultrafeedback_become_a_mapping(save, written, moft):
    ratings = {name: {"Rating": "4"} for name in ("helpfulness", "honesty")}
    completions = [
        {"response": f"r {i}", "annotations": ratings | {"honesty": {"Rating": f"{i}" if i else "N/A"}}} for i in range(4)
    ]
    save([{"instruction": f"q {i}?", "completions": completions} for i in range(30)])
    task = written("data.jsonl")
    assert task["data"] == {
        "name": "columns",
        "path": "data.jsonl",
        "labels": {
            name: {"path": f"completions[*].annotations.{name}.Rating", "values": {"N/A": None}, "range": [1, 5]}
            for name in ratings
        },
        "prompt": "instruction",
        "responses": "completions[*].response",
    }
    assert list(task["objectives"]) == ["honesty"]


def test_texts_that_begin_alike_and_have_no_other_column_are_pairs(save, written):
    save([{"chosen": f"question {i}? yes", "rejected": f"question {i}? no", "score": 1} for i in range(30)])
    assert written("data.jsonl")["data"] == {"name": "pairs", "path": "data.jsonl", "prompt": None}


def test_splits_of_preferences_beside_others_are_taken(save, written):
    rows = rows_of("pairs")
    for name in ("train_prefs", "test_prefs"):
        save(rows, f"data/{name}-00000-of-00001.jsonl")
    save([{"prompt": "q", "messages": []}], "data/test_gen.jsonl")
    found = written("data")
    assert found["splits"] == {"name": "stored", "train": "train_prefs", "validation": 0.1, "test": "test_prefs"}
    assert found["data"] == {"name": "pairs", "path": "data"}


def test_rows_of_one_response_get_a_loss_of_single_responses(save, written):
    rows = [{"prompt": f"q {i}?", "completion": f"a {i}", "label": i % 2 == 0} for i in range(30)]
    save([*rows, {**rows[0], "completion": "b"}])
    task = written("data.jsonl")
    assert task["objectives"] == {"good": {"loss": "unpaired-logistic"}}
    assert (task["data"]["response"], task["faulty"]) == ("completion", "refuse")
    save([{**row, "prompt": f"q {i // 2}?"} for i, row in enumerate(rows)])
    assert written("data.jsonl")["objectives"] == {"good": {"loss": {"name": "listnet", "target": "sum"}}}
