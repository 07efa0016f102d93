"""`moft score`: one score for each item, in the order of the file, and what bad input gets."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from moft.files.safetensors import load_tensors, save_tensors
from moft.hooks.plugin_manager import Plugins
from moft.run.policy.open_run import open_run
from moft.types import Tradeoff


@pytest.fixture(scope="module")
def opened(finished):
    """The run, opened as a library would."""
    plugins = Plugins()
    plugins.load()
    return open_run(finished, plugins)


def numbers(out):
    return torch.tensor([float(line) for line in out.splitlines()])


def direct(opened, path, weights, dial=1.0):
    """Scores list by list, without batches of several lists."""
    scores = []
    batches = opened.task.read(path)
    for index in range(batches.lists):
        batch = batches.load(torch.tensor([index]))
        row = torch.tensor([weights[index] if isinstance(weights[0], list) else weights])
        with torch.no_grad():
            scores.append(opened.policy(batch, Tradeoff(row, dial * opened.trained_betas))[0])
    return torch.cat(scores)


def test_every_item_has_its_score_in_the_order_of_the_file(opened, finished, lists, moft):
    said = moft("score", finished, lists / "test.txt", "--weights", "0.25,0.75")
    items = [line for line in (lists / "test.txt").read_text().splitlines() if not line.startswith("#")]
    assert (said.code, len(said.out.splitlines())) == (0, len(items))
    torch.testing.assert_close(numbers(said.out), direct(opened, lists / "test.txt", [0.25, 0.75]), rtol=1e-5, atol=1e-6)


def test_weights_by_name_are_those_in_order(finished, lists, moft):
    words = ("score", finished, lists / "test.txt", "--weights")
    assert moft(*words, "second=0.75,first=0.25").out == moft(*words, "0.25,0.75").out


def test_weights_change_the_scores(finished, lists, moft):
    words = ("score", finished, lists / "test.txt", "--weights")
    assert moft(*words, "1,0").out != moft(*words, "0,1").out


def test_the_order_of_the_lists_is_that_of_the_file(finished, lists, moft, tmp_path):
    items = [line for line in (lists / "test.txt").read_text().splitlines() if not line.startswith("#")]
    first = items[0].split()[1]
    moved = [line for line in items if line.split()[1] != first] + [line for line in items if line.split()[1] == first]
    (tmp_path / "moved.txt").write_text("\n".join(moved) + "\n")
    scores = moft("score", finished, lists / "test.txt", "--weights", "0.5,0.5").out.splitlines()
    again = moft("score", finished, tmp_path / "moved.txt", "--weights", "0.5,0.5").out.splitlines()
    expected = dict(zip(items, map(float, scores), strict=True))
    assert {line: pytest.approx(float(score), rel=1e-5, abs=1e-6) for line, score in zip(moved, again, strict=True)} == expected


def test_a_file_of_weights_gives_every_list_its_own(opened, finished, lists, moft, tmp_path):
    count = opened.task.read(lists / "test.txt").lists
    rows = [[index / (count - 1), 1 - index / (count - 1)] for index in range(count)]
    path = tmp_path / "weights.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = moft("score", finished, lists / "test.txt", "--weights-file", path)
    torch.testing.assert_close(numbers(said.out), direct(opened, lists / "test.txt", rows), rtol=1e-5, atol=1e-6)


def test_scores_of_a_reopened_run_are_those_of_the_run_itself(finished, lists, moft, opened, plugins):
    batches = opened.task.read(lists / "test.txt")
    tradeoff = Tradeoff(torch.tensor([[0.5, 0.5]]), opened.trained_betas)
    again = open_run(finished, plugins)
    for batch, other in zip(batches, again.task.read(lists / "test.txt"), strict=True):
        assert opened.policy(batch, tradeoff).equal(again.policy(other, tradeoff))


@pytest.mark.parametrize("c", [2.0, 0.5])
def test_c_times_the_temperature_divides_the_correction_by_c(c, opened, lists, finished, moft):
    batch = next(iter(opened.task.read(lists / "test.txt")))
    weights = torch.tensor([[0.3, 0.7]])
    with torch.no_grad():
        scores = opened.policy(batch, Tradeoff(weights, opened.trained_betas))
        scaled = opened.policy(batch, Tradeoff(weights, c * opened.trained_betas))
    s0 = batch.reference
    assert scaled.equal(s0 + opened.policy.correction(batch, Tradeoff(weights, opened.trained_betas)) / c)
    torch.testing.assert_close(scaled, s0 + (scores - s0) / c)
    said = moft("score", finished, lists / "test.txt", "--weights", "0.3,0.7", "--dial", c)
    expected = direct(opened, lists / "test.txt", [0.3, 0.7], c)
    torch.testing.assert_close(numbers(said.out), expected, rtol=1e-5, atol=1e-6)


def test_scores_can_go_to_a_file(finished, lists, moft, tmp_path):
    said = moft("score", finished, lists / "test.txt", "--weights", "1,0")
    assert moft("score", finished, lists / "test.txt", "--weights", "1,0", "--out", tmp_path / "scores.txt").out == ""
    assert (tmp_path / "scores.txt").read_text() == said.out


def test_scores_never_replace_a_file(finished, lists, moft, tmp_path):
    out = tmp_path / "scores.txt"
    out.write_text("mine")
    said = moft("score", finished, lists / "test.txt", "--weights", "1,0", "--out", out)
    assert (said.code, said.mistakes) == (2, [f"moft: error: {out}: already exists. Choose another path or remove it."])
    assert out.read_text() == "mine"


def test_labels_are_not_needed_to_score(finished, lists, moft, tmp_path):
    bare = [line.partition(" 9:")[0] for line in (lists / "test.txt").read_text().splitlines() if not line.startswith("#")]
    (tmp_path / "bare.txt").write_text("\n".join(bare) + "\n")
    words = ("--weights", "1,0")
    assert moft("score", finished, tmp_path / "bare.txt", *words).out == moft("score", finished, lists / "test.txt", *words).out


WORDS = {
    "weights off the simplex": (("--weights", "0.5,0.6"), "weights must sum to 1"),
    "negative weights": (("--weights", "1.5,-0.5"), "weights must be finite and not negative"),
    "weights that are no numbers": (("--weights", "nan,1"), "--weights 'nan,1': 'nan' is not a number"),
    "too few weights": (("--weights", "1"), "1 values for 2 objectives: first, second"),
    "an unknown objective": (("--weights", "frist=1"), "'frist' is not an objective. Did you mean 'first'?"),
    "an objective given twice": (("--weights", "first=0.5,first=0.5"), "'first' is given twice"),
    "no weights": ((), "needs either --weights or --weights-file"),
    "weights twice": (("--weights", "1,0", "--weights-file", "w"), "needs either --weights or --weights-file, not both"),
    "a dial of zero": (("--weights", "1,0", "--dial", "0"), "--dial 0: must be above 0"),
    "a negative dial": (("--weights", "1,0", "--dial", "-2"), "--dial -2: must be above 0"),
    "a file of weights that is not there": (("--weights-file", "gone.jsonl"), "gone.jsonl: cannot be read"),
}


@pytest.mark.parametrize(("words", "told"), WORDS.values(), ids=WORDS)
def test_a_mistake_is_told_in_one_line(words, told, finished, lists, moft, tmp_path):
    out = tmp_path / "scores.txt"
    out.write_text("mine")
    said = moft("score", finished, lists / "test.txt", *words, "--out", out)
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert told in said.mistakes[0]
    assert out.read_text() == "mine"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[0.5, 0.5]\n[0.5 0.5]\n", "weights.jsonl:2: '[0.5 0.5]' is not JSON (Expecting ',' delimiter)"),
        ("[0.5, 0.5]\n[0.9, 0.5]\n", "weights.jsonl:2: weights must sum to 1"),
        ("[0.5, 0.5]\n", "weights.jsonl: has 1 line, but {data} has 8 queries; give one line of weights for each query."),
    ],
)
def test_a_mistake_in_a_file_of_weights_is_told_in_one_line(text, told, finished, lists, moft, tmp_path):
    (tmp_path / "weights.jsonl").write_text(text)
    said = moft("score", finished, lists / "test.txt", "--weights-file", tmp_path / "weights.jsonl")
    assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)
    assert told.format(data=lists / "test.txt") in said.mistakes[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1 qid:1 1:1 2:2 3:3\n", "has 3 columns, but the ranker reads columns up to 8"),
        ("1 qid:1 1:nan\n", "data.txt:1: 'nan' is not a finite"),
        ("1 1:1\n", "data.txt:1: '1:1' is not a qid"),
        ("", "data.txt: has no documents"),
        (None, "no such file or folder"),
    ],
)
def test_data_that_cannot_be_scored_is_told_in_one_line(text, told, finished, moft, tmp_path):
    if text is not None:
        (tmp_path / "data.txt").write_text(text)
    said = moft("score", finished, tmp_path / "data.txt", "--weights", "1,0", "--out", tmp_path / "scores.txt")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert told in said.mistakes[0]
    assert not (tmp_path / "scores.txt").exists()


def damaged(run, name):
    """Does something bad to the copy of a run."""
    policy, task = run / "policy" / "policy.safetensors", run / "policy" / "task.safetensors"
    if name == "truncated":
        policy.write_bytes(policy.read_bytes()[:-10])
    elif name == "truncated task":
        task.write_bytes(task.read_bytes()[: task.stat().st_size // 2])
    elif name == "unfinished":
        shutil.rmtree(policy.parent)
    elif name == "other shapes":
        config = run / "config.yaml"
        config.write_text(config.read_text().replace("width: 16", "width: 8"))
    elif name == "other task":
        shutil.copy(policy, task)
    elif name.startswith("NaN") or name.startswith("other kind"):
        file = task if "task" in name else policy
        tensors = load_tensors(file)
        kind = "reference" if "task" in name else next(each for each, value in tensors.items() if value.is_floating_point())
        tensors[kind] = tensors[kind] * torch.nan if "NaN" in name else tensors[kind].to(torch.int64)
        save_tensors(file, tensors)
    elif name.startswith("edited"):
        file = task if "task" in name else policy
        tensors = load_tensors(file)
        save_tensors(file, {each: value + 1 if value.is_floating_point() else value for each, value in tensors.items()})
    elif name == "task of other shapes":
        tensors = load_tensors(task)
        save_tensors(task, tensors | {"scaling.mean": torch.zeros(3, 2), "reference": torch.zeros(5)})
    elif name == "no config":
        (run / "config.yaml").unlink()
    elif name == "damaged config":
        (run / "config.yaml").write_text("task: {")


RUNS = {
    "truncated": "policy.safetensors: is cut short or not a safetensors file",
    "truncated task": "task.safetensors: is cut short or not a safetensors file",
    "unfinished": "run: has no finished policy; resume its training by `moft train CONFIG --out",
    "other shapes": "the model [8",
    "other task": "the saved state of the ranking task has no 'columns'",
    "NaN": "which is not a finite number; the file is damaged.",
    "NaN in the task": "task.safetensors: 'reference' has the value nan",
    "other kind": "has numbers of type int64, the model float32",
    "edited": "policy.safetensors: its content has changed since training (SHA-256",
    "edited task": "task.safetensors: its content has changed since training (SHA-256",
    "task of other shapes": "task.safetensors: does not fit the task LTR (ValueError",
    "no config": "run: is not a run folder (it has no config.yaml)",
    "damaged config": "config.yaml: is damaged",
}


@pytest.mark.parametrize(("damage", "told"), RUNS.items(), ids=RUNS)
def test_a_run_that_is_not_whole_is_told_in_one_line(damage, told, finished, lists, moft, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    damaged(tmp_path / "run", damage)
    said = moft("score", tmp_path / "run", lists / "test.txt", "--weights", "1,0")
    assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)
    assert told in said.mistakes[0]
    assert "plugin" not in said.mistakes[0]


def test_a_score_that_is_not_finite_is_never_written(finished, moft, tmp_path, monkeypatch):
    from moft.engine.policies.conditioned_policy import ConditionedPolicy

    whole = ConditionedPolicy.forward

    def broken(self, batch, tradeoff):
        return whole(self, batch, tradeoff).masked_fill(batch.lists.unsqueeze(1).to(batch.reference.device) == 1, torch.inf)

    monkeypatch.setattr(ConditionedPolicy, "forward", broken)
    data = tmp_path / "data.txt"
    data.write_text("".join(f"1 qid:{query} {' '.join(f'{column}:0.5' for column in range(1, 11))}\n" * 2 for query in (1, 2)))
    said = moft("score", finished, data, "--weights", "1,0", "--out", tmp_path / "scores.txt")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert "item 1 of list 2: the policy gives it the score inf, which is not a finite number" in said.mistakes[0]
    assert not (tmp_path / "scores.txt").exists()


def test_a_place_that_cannot_be_written_is_told(finished, lists, moft, tmp_path):
    said = moft("score", finished, lists / "test.txt", "--weights", "1,0", "--out", tmp_path / "gone" / "scores.txt")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert f"{tmp_path / 'gone' / 'scores.txt'}: cannot be written (No such file or directory)" in said.mistakes[0]


def test_ids_stand_before_the_scores(finished, lists, moft):
    words = ("score", finished, lists / "test.txt", "--weights", "0.5,0.5")
    rows = [line.split() for line in (lists / "test.txt").read_text().splitlines() if not line.startswith("#")]
    said = moft(*words, "--ids").out.splitlines()
    assert [line.partition("\t")[0] for line in said] == [row[1].removeprefix("qid:") for row in rows]
    assert [line.partition("\t")[2] for line in said] == moft(*words).out.splitlines()


def test_data_of_another_layout_is_refused(finished, lists, moft, tmp_path):
    text = (lists / "test.txt").read_text()
    rows = [line for line in text.splitlines() if not line.startswith("#")]
    wide = tmp_path / "wide.txt"
    wide.write_text("".join(f"{row} {len(row.split()) - 1}:1\n" for row in rows))
    said = moft("score", finished, wide, "--weights", "0.5,0.5")
    assert said.code == 2
    assert "wide.txt: has 11 columns, but the run was trained on data with 10." in said.mistakes[0]


def test_ids_of_queries_and_items_stand_before_the_scores(finished, lists, moft, tmp_path):
    names = ",".join(str(column) for column in range(1, 9))
    rows = "".join(f"{query},{item},{','.join(['0.5'] * 8)}\n" for query, item in (("a b", "i1"), ("a b", "i\t2"), ("ü", "i1")))
    (tmp_path / "new.csv").write_text(f"query,item,{names}\n{rows}")
    said = moft("score", finished, tmp_path / "new.csv", "--weights", "0.5,0.5", "--ids")
    fields = [line.split("\t") for line in said.out.splitlines()]
    assert [row[:2] for row in fields] == [["a b", "i1"], ["a b", "i\\t2"], ["ü", "i1"]]
    assert all(len(row) == 3 for row in fields)
    plain = moft("score", finished, tmp_path / "new.csv", "--weights", "0.5,0.5")
    assert plain.out.splitlines() == [row[2] for row in fields]
