"""What is wrong with data or base model is told the same by `train --plan`, `config check` and `train`, and nothing is left."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

RANKING = {
    "task": {
        "name": "ltr",
        "data": "good",
        "objectives": {"first": {"column": 9}, "second": {"column": 10}},
        "base": {"name": "scores", "column": 1},
        "width": 8,
        "layers": 1,
    },
    "method": "cos-dpo",
    "trainer": {"epochs": 1, "device": "cpu", "threads": 1},
    "profile": {"evaluator": "ndcg", "points": 3, "bootstrap_samples": 10},
}


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """The folder that a test runs in, with ranking data."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    rows = []
    for item in range(48):
        values = [*generator.random(8), item % 4, item % 3]
        rows.append(f"{item % 5} qid:{item // 6} " + " ".join(f"{i}:{v:g}" for i, v in enumerate(values, start=1)) + "\n")
    negative = [row.replace(" 9:0", " 9:-2") for row in rows]
    for name, lines in {"good": rows, "shuffled": rows[::2] + rows[1::2], "negative": negative}.items():
        (tmp_path / name).mkdir()
        for split in ("train", "vali", "test"):
            (tmp_path / name / f"{split}.txt").write_text("".join(lines))
    return tmp_path


@pytest.fixture
def told(place, moft):
    """What the three commands say to a config; each must refuse it in one line, the same one."""

    def ask(config) -> str:
        (place / "config.yaml").write_text(json.dumps(config))
        lines = []
        for words in (("train", "config.yaml", "--plan"), ("train", "config.yaml"), ("config", "check", "config.yaml")):
            said = moft(*words)
            assert (said.code, said.out, len(said.mistakes)) == (2, "", 1), words
            lines.append(said.mistakes[0].removeprefix("moft: error: "))
        assert lines[0] == lines[1]
        assert lines[2] == f"config.yaml:1: {lines[0]}"
        assert not (place / "runs").exists() or not list((place / "runs").iterdir())
        return lines[0]

    return ask


def _booster(file: Path, features: int) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    generator = np.random.default_rng(0)
    data = lightgbm.Dataset(generator.random((200, features)), generator.random(200))
    lightgbm.train({"verbosity": -1, "num_leaves": 4, "num_threads": 1}, data, 2).save_model(file)


MISTAKES = {
    "data that are missing": ({"data": "nowhere"}, "'nowhere': no such file or folder"),
    "a name that is too long": ({"data": "a" * 300}, f"{'a' * 300}: File name too long."),
    "a file for a folder": ({"data": "good/train.txt"}, "good/train.txt: is not a folder"),
    "a folder without data": ({"data": "."}, ".: has no train split"),
    "shuffled rows": ({"data": "shuffled"}, "shuffled/train.txt:25: qid 0 appears again after qid 7"),
    "negative labels": ({"data": "negative"}, "negative/train.txt:1: column 9 of query qid:0: label -2 of 'first' is negative"),
    "an unknown label": (
        {"objectives": {"first": {"column": "clicks"}}},
        "good/train.txt: task.objectives.first.column: the data has no label 'clicks'",
    ),
    "no such column": (
        {"objectives": {"first": {"column": 99}}},
        "good/train.txt: task.objectives.first.column: there is no column 99",
    ),
    "a name that tables have": ({"objectives": {"main": {"column": 9}}}, "an objective cannot be called 'main'"),
    "a name that cannot be typed": ({"objectives": {"a,b": {"column": 9}}}, "an objective cannot be called 'a,b'"),
    "no such base scores": (
        {"base": {"name": "scores", "column": 99}},
        "good/train.txt: task.base.column: there is no column 99",
    ),
    "no base file": ({"base": {"name": "lightgbm", "path": "none"}}, "[task.base.path] none: cannot read the LightGBM model"),
    "a folder for a base file": (
        {"base": {"name": "lightgbm", "path": "good"}},
        "[task.base.path] good: cannot read the LightGBM",
    ),
    "another kind of file": (
        {"base": {"name": "lightgbm", "path": "good/train.txt"}},
        "[task.base.path] good/train.txt: is not a LightGBM model file",
    ),
}


@pytest.mark.parametrize(("change", "line"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_about_ranking_data_is_told_before_anything_is_trained(change, line, told):
    assert told({**RANKING, "task": {**RANKING["task"], **change}}).startswith(line)


def test_a_base_model_of_other_columns_is_told(told, place):
    _booster(place / "model.txt", 5)
    told_line = told({**RANKING, "task": {**RANKING["task"], "base": {"name": "lightgbm", "path": "model.txt"}}})
    assert told_line.startswith("[task.base.columns] the LightGBM model reads 5 features, but it gets 8 columns")


def test_what_is_right_is_told_to_be(place, moft):
    _booster(place / "model.txt", 8)
    task = {**RANKING["task"], "base": {"name": "lightgbm", "path": "model.txt"}}
    (place / "config.yaml").write_text(json.dumps({**RANKING, "task": task}))
    said = moft("config", "check", "config.yaml")
    assert (said.code, said.out) == (0, "config.yaml: no mistakes.\n")
    assert "Not checked" not in moft("train", "config.yaml", "--plan").out


@pytest.fixture
def aligned(place, tiny_models):
    """Makes a config of the language-model task."""
    rows = [{"prompt": f"say {i}", "responses": ["b", "c"], "labels": {"x": [-1, 2], "y": [0, 1]}} for i in range(40)]
    (place / "lists.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def made(*, loss="listnet", **task):
        data = {"name": "lists", "path": "lists.jsonl"}
        given = {
            "model": str(tiny_models()),
            "data": data,
            "objectives": {"x": {}, "y": {}},
            "lora": {"rank": 2},
            "max_length": 64,
        }
        method = {"name": "cos-dpo", "conditioner": "hyper-lora", "loss": loss}
        profile = {**RANKING["profile"], "evaluator": "preference"}
        return {**RANKING, "task": {"name": "llm", **given, **task}, "method": method, "profile": profile}

    return made


TEXT_MISTAKES = {
    "negative labels": (
        {"loss": {"name": "listnet", "target": "sum"}},
        "[listnet] target: sum needs labels of 0 or more, got -1",
    ),
    "an unknown label": ({"objectives": {"z": {}}}, "[task.objectives.z] no training prompt has the label 'z'"),
    "data that are missing": ({"data": {"name": "lists", "path": "none.jsonl"}}, "none.jsonl: no such file or folder."),
    "another format": ({"data": {"name": "rated", "path": "lists.jsonl"}}, "lists.jsonl:1: no column holds a number"),
    "ranking data": ({"data": {"name": "lists", "path": "good"}}, "good: no file ends in .jsonl, .json, .parquet."),
    "a model that is a file": ({"model": "lists.jsonl"}, "lists.jsonl: no such folder. A model is a folder"),
    "a model that is no model": ({"model": "good"}, "good: the folder has no config.json, so it does not hold a model."),
    "longer than the context": ({"max_length": 9999}, "[task.max_length] 9999 is longer than the context of"),
}


@pytest.mark.parametrize(("change", "line"), TEXT_MISTAKES.values(), ids=TEXT_MISTAKES)
def test_a_mistake_about_texts_or_a_model_is_told_before_anything_is_trained(change, line, told, aligned):
    assert told(aligned(**change)).startswith(line)


def test_data_of_a_hub_are_not_checked_and_that_is_said(place, moft, aligned):
    config = aligned(data={"name": "lists", "path": "owner/name"})
    (place / "config.yaml").write_text(json.dumps(config))
    sentence = "owner/name: no such file or folder here; the Hugging Face hub is asked for it when training starts."
    assert moft("config", "check", "config.yaml").out == f"config.yaml: no mistakes.\nconfig.yaml: not checked: {sentence}\n"
    assert f"\nNot checked: {sentence}\n" in moft("train", "config.yaml", "--plan").out


def test_a_mistake_is_told_with_the_line_of_its_setting(place, moft):
    text = "task:\n  name: ltr\n  data: nowhere\n  objectives:\n    a: {column: 9}\nmethod: cos-dpo\nprofile: {evaluator: ndcg}\n"
    for data, line in (("nowhere", 3), ("good", 5)):
        (place / "config.yaml").write_text(text.replace("nowhere", data).replace("9}", "99}"))
        assert moft("config", "check", "config.yaml").mistakes[0].startswith(f"moft: error: config.yaml:{line}: ")


def test_a_cache_that_cannot_be_written_names_the_variable(told, place, monkeypatch):
    (place / "file").write_text("")
    monkeypatch.setenv("MOFT_CACHE", str(place / "file" / "cache"))
    assert told(RANKING) == (
        f"{place}/file/cache: cannot be made (Not a directory). It is the cache folder of moft: set MOFT_CACHE to a folder that "
        "is writable."
    )


@pytest.mark.parametrize("plan", [(), ("--plan",)], ids=["run", "plan"])
def test_a_run_folder_inside_a_file_is_refused(plan, place, moft):
    (place / "config.yaml").write_text(json.dumps(RANKING))
    said = moft("train", "config.yaml", *plan, "--out", "good/train.txt/run")
    assert (said.code, said.out, said.mistakes) == (
        2,
        "",
        ["moft: error: good/train.txt/run: cannot be written (Not a directory); choose another --out."],
    )


def test_a_look_leaves_the_generators_alone(place, plugins):
    from moft.run.checks.compatibility import check_before_training
    from moft.run.run_config import read_settings

    (place / "config.yaml").write_text(json.dumps(RANKING))
    before = torch.get_rng_state()
    check_before_training(read_settings(place / "config.yaml", (), plugins).make())
    assert torch.get_rng_state().equal(before)


def test_an_objective_whose_labels_never_differ_is_refused_before_a_base_ranker_is_trained(place, told, monkeypatch):
    monkeypatch.setattr("moft_ltr.base.base_scores.train_base_ranker", lambda *given, **settings: pytest.fail("it was trained"))
    for split in ("train", "vali", "test"):
        file = place / "good" / f"{split}.txt"
        rows = [line.rpartition(" ")[0] + f" 10:{line.split()[1][-1]}\n" for line in file.read_text().splitlines()]
        file.write_text("".join(rows))
    found = told(RANKING | {"task": RANKING["task"] | {"base": {"epochs": 1}}})
    assert "objective 'second' (column 10) is constant within every query in the training split" in found
