"""What bad input to `moft train` gets: exit code 2, one line for each mistake, nothing written."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

EVERYWHERE = "nothing may be left behind by a mistake"

SETTINGS = {
    "a label column outside the file": (
        "task.objectives.first.column=99",
        "first.column: there is no column 99; .* columns 1 to 10",
    ),
    "a label that the data does not name": (
        "task.objectives.first.column=clicks",
        "the data has no label 'clicks'",
    ),
    "a main label outside the file": ("task.main={column: 11}", "task.main.column: there is no column 11; .* columns 1 to 10"),
    "a label that is a feature too": ("task.features=[1, 2, 9]", "column 9 is the label of 'first'; a label cannot be a feature"),
    "a feature listed twice": ("task.features=[1, 1]", r"\[task.features\] column 1 is listed twice"),
    "a feature outside the file": ("task.features=[1, 11]", "task.features: there is no column 11"),
    "an excluded column outside the file": ("task.exclude=[12]", "task.exclude: there is no column 12"),
    "no input left": ("task.exclude=[1, 2, 3, 4, 5, 6, 7, 8]", "no input column is left"),
    "a metric that does not exist": (
        "task.objectives.first.metric=dcg@5",
        "metric 'dcg@5' of 'first': no such metric; there are ndcg",
    ),
    "a metric that labels do not fit": (
        "task.objectives.first={column: 9, metric: err(top=0.1)@5}",
        r"err\(top=0.1\)@5 of 'first': document \d+ of query \d+ of the split has the label .* err needs grades from 0 to 0.1",
    ),
    "a metric of an evaluator that has none": (
        ["task.main.metric=mrr@5", "profile.evaluator=preference"],
        "the evaluator Preference measures all objectives alike, but 'main' names its own metric",
    ),
    "a metric that is the same for every ranking": (
        "task.objectives.first.metric=precision(rel=-1)@5",
        r"precision\(rel=-1\)@5 of 'first': in no query are some documents relevant \(a label of -1 or more\) and others not",
    ),
    "no objective": ("task.objectives={}", r"\[task.objectives\] is empty; name at least one objective"),
    "a beta of zero": ("task.objectives.first.beta=0", "first.beta: must be greater than 0, got 0"),
    "a negative beta": ("task.objectives.first.beta=-1", "first.beta: must be greater than 0, got -1"),
    "an infinite beta": ("task.objectives.first.beta=.inf", "first.beta: must be finite, got inf"),
    "a beta that is no number": ("task.objectives.first.beta=.nan", "first.beta: must be .*, got nan"),
    "alpha of zero": ("method.sampler={name: dirichlet, alpha: 0}", r"method.sampler.alpha: must be greater than 0.*, got 0"),
    "a negative alpha": ("method.sampler={name: dirichlet, alpha: [1, -1]}", r"sampler.alpha.1: must be greater than 0, got -1"),
    "alpha of the wrong length": ("method.sampler={name: dirichlet, alpha: [1, 1, 1]}", "alpha has 3 entries; .* or 2 of them"),
    "a fixed weighting of the wrong length": ("method.sampler={name: fixed, value: [1]}", "value has 1 entries; .* 2 objectives"),
    "a scalarizer's reference point of the wrong length": (
        "method.scalarizer={name: tchebycheff, ideal: [1]}",
        r"\[method.scalarizer.ideal\] has length 1 for 2 objectives",
    ),
    "the same of DPO-LS": (
        "method={name: dpo-ls, scalarizer: {name: pbi, ideal: [1, 2, 3]}}",
        r"\[method.scalarizer.ideal\] has length 3 for 2 objectives",
    ),
    "a grid too small for the objectives": (
        "method={name: dpo-ls, points: 1}",
        "a grid over 2 objectives needs at least 2 points",
    ),
    "a misspelt component": ("method.sampler=dirichlett", "unknown sampler 'dirichlett'. Did you mean 'dirichlet'?"),
    "an unknown method": ("method=magic", "method: unknown method 'magic'"),
    "a misspelt setting": ("method.samplr=dirichlet", "method.samplr: unknown setting. Did you mean 'sampler'?"),
    "heads that do not divide the width": ("task.heads=3", "heads: 3 does not divide width 16"),
    "heads that do not divide the base ranker's width": (
        "task.base={name: neural, width: 8, heads: 3}",
        r"\[task.base\] heads: 3 does not divide width 8",
    ),
    "too few folds": ("task.folds=2", "fold 0 of 2: there must be at least 3 folds"),
    "a fold out of range": (("task.folds=5", "task.fold=5"), "fold 5 of 5: .* counts from 0"),
    "more folds than lists": ("task.folds=41", "40 queries are too few for 41 folds"),
    "a grid of too few points": ("profile.points=1", "needs at least 2 points"),
    "an evaluator of null": ("profile.evaluator=null", "profile.evaluator: must be an evaluator"),
    "a reference of the wrong length": ("profile.reference=[0.0]", r"\[profile.reference\] has 1 values, \[0.0\], for 2 obj"),
    "a misspelt split": ("profile.split=tset", "profile.split: must be 'train', 'validation' or 'test', got 'tset'"),
    "a task of null": ("task=null", "task: must be a task: .* got null"),
    "a method of null": ("method=null", "method: must be a method: .* got null"),
    "a seed of null": ("seed=null", "seed: must be a whole number, got null"),
    "a seed beyond 63 bits": (f"seed={2**64}", "seed: must be .*9223372036854775807"),
    "a negative seed": ("seed=-1", "seed: must be .*0"),
    "a scalarizer without what makes it one": ("method.scalarizer=cosine", "strength: is missing"),
    "a number of epochs of null": ("trainer.epochs=null", "trainer.epochs: must be a whole number, got null"),
    "a loss of null": ("method.loss=null", "method.loss: must be a loss: .* got null"),
    "plugins of null": ("plugins=null", "plugins: must be a list of files .* got None"),
    "data that is not there": ("task.data=nowhere", "'nowhere': no such file or folder"),
    "a score column outside the file": ("task.base={name: scores, column: 99}", "task.*: there is no column 99"),
    "a base model that is not there": ("task.base={name: lightgbm, path: gone.txt}", "gone.txt: cannot read the LightGBM model"),
    "an unknown base": (
        "task.base={name: magic}",
        "task.base: the name must be one of neural, scores, lightgbm, lambdamart, got 'magic'",
    ),
    "a base ranker without a main objective": ("task.main=null", "'neural' is trained on the main objective, but task.main is"),
    "a plain model under weights that vary": ("method.conditioner=null", "null cannot follow weights that vary"),
    "a site that the model lacks": (
        "method.conditioner={name: film, sites: [door]}",
        "unknown site 'door'. Sites of this model",
    ),
    "a plugin that is not there": ("plugins=[gone.py]", "plugin file 'gone.py' does not exist"),
    "a malformed override": ("task.heads", "override 'task.heads' is malformed"),
}


@pytest.mark.parametrize(("overrides", "told"), SETTINGS.values(), ids=SETTINGS)
def test_a_mistake_in_the_settings_is_told_in_one_line(overrides, told, config, moft, tmp_path, match, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = everything(tmp_path)
    words = [word for override in ((overrides,) if isinstance(overrides, str) else overrides) for word in ("--set", override)]
    said = moft("train", config, "--out", tmp_path / "run", *words)
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert match(told, said.mistakes[0])
    assert everything(tmp_path) == before, EVERYWHERE


def test_every_mistake_in_the_settings_has_a_line_of_its_own(config, moft, tmp_path):
    said = moft("train", config, "--out", tmp_path / "run", "--set", "task.heads=0", "--set", "trainer.epoch=3")
    assert said.code == 2
    assert [line.split(": ")[2] for line in said.mistakes] == ["task.heads", "trainer.epoch"]


def test_a_missing_evaluator_is_asked_for(config, moft, tmp_path, match):
    config.write_text(config.read_text().replace("evaluator: ndcg, ", ""))
    said = moft("train", config, "--out", tmp_path / "run")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert match(r"profile.evaluator: is missing; it is required \(evaluator\)", said.mistakes[0])


def test_a_key_given_twice_is_told_with_both_lines(config, moft, tmp_path, match):
    config.write_text(config.read_text() + "seed: 1\nseed: 2\n")
    said = moft("train", config, "--out", tmp_path / "run")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert match(r"small.yaml:\d+: key 'seed' is given twice, first on line \d+", said.mistakes[0])


LOSS = """
from moft import Component, hookimpl

@hookimpl
def moft_losses():
    yield Component("{name}", "moft_losses.listnet:ListNet", "the same")
"""


def test_two_plugins_of_one_name_are_both_named(config, moft, tmp_path, match):
    (tmp_path / "mine.py").write_text(LOSS.format(name="listnet"))
    said = moft("train", config, "--out", tmp_path / "run", "--set", f"plugins=[{tmp_path / 'mine.py'}]")
    assert said.code == 2
    assert all(match("listnet.*mine.py", line) and "losses" in line for line in said.mistakes)
    assert said.mistakes
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", ["def broken(:\n", "raise RuntimeError('no')\n", "x = 1\n", "import nothing_of_that_name\n"])
def test_a_broken_plugin_file_is_named(text, config, moft, tmp_path, match):
    (tmp_path / "mine.py").write_text(text)
    said = moft("train", config, "--out", tmp_path / "run", "--set", f"plugins=[{tmp_path / 'mine.py'}]")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert match("plugin .*mine.py", said.mistakes[0])
    assert not (tmp_path / "run").exists()


def line(number, text):
    """Replaces a line, from 1, of `train.txt`."""

    def edit(folder):
        lines = (folder / "train.txt").read_text().splitlines()
        lines[number - 1] = text
        (folder / "train.txt").write_text("\n".join(lines) + "\n")

    return edit


def labels(column, value, split="train"):
    """Gives every item of a split one value in a column."""

    def edit(folder):
        path = folder / f"{split}.txt"
        rows = [row.split() for row in path.read_text().splitlines()]
        text = "\n".join(" ".join(f"{column}:{value}" if f.startswith(f"{column}:") else f for f in row) for row in rows)
        path.write_text(text + "\n")

    return edit


def only(split, text):
    """Puts a text in place of a file."""
    return lambda folder: (folder / f"{split}.txt").write_text(text)


FEATURES = " ".join(f"{column}:0.5" for column in range(1, 9))
LONE = f"2 qid:99991 {FEATURES} 9:1 10:2\n"

DATA = {
    "a line that is no pair": (line(3, "1 qid:10 1:1 nonsense"), (), "train.txt:3: 'nonsense' is not a pair index:value"),
    "a relevance that is no number": (line(2, "high qid:10 1:1"), (), "train.txt:2: 'high' is not a number"),
    "no qid": (line(4, "1 1:1 2:1"), (), "train.txt:4: '1:1' is not a qid"),
    "a qid that returns": (line(41, f"1 qid:10 {FEATURES}"), (), "train.txt:41: qid 10 appears again after qid"),
    "a feature of nan": (line(2, "1 qid:10 1:nan"), (), "train.txt:2: 'nan' is not a finite"),
    "a feature of infinity": (line(2, "1 qid:10 1:inf"), (), "train.txt:2: 'inf' is not a finite"),
    "a feature beyond 32 bits": (line(2, "1 qid:10 1:1e39"), (), "train.txt:2: '1e39' is not a finite 32-bit number"),
    "an objective that is constant": (labels(9, 3), (), r"objective 'first' \(column 9\) is constant within every query"),
    "an objective that is zero": (labels(9, 0), (), r"objective 'first' \(column 9\) is zero everywhere"),
    "an objective that its transform makes constant": (
        labels(9, 0.5),
        ("task.objectives.first.transform=min-max",),
        r"objective 'first' \(column 9\) is zero everywhere .* after its transform",
    ),
    "a negative label": (labels(9, -1), (), r"train.txt:2: column 9 of .*: label -1 of 'first' is negative"),
    "a negative label among the test lists": (labels(9, -1, "test"), (), r"test.txt:2: column 9 of .*: label -1 of 'first' is"),
    "a label whose gain is no number": (
        labels(9, 5000),
        ("task.objectives.first.gain=exp2",),
        r"train.txt:2: column 9 of .*: label 5000 of 'first' is too large for gain: exp2, which is 2\^5000",
    ),
    "a list of one item": (only("vali", LONE), (), "vali.txt:1: query qid:99991 has one document .* Set task.short_lists: drop"),
    "nothing but lists of one item": (only("vali", LONE), ("task.short_lists=drop",), "vali.txt: has no query of two documents"),
    "an empty file": (only("test", ""), (), "test.txt: has no documents"),
    "a missing split": (lambda f: (f / "vali.txt").unlink(), (), "has no validation split; looked for vali.txt"),
    "a split given twice": (lambda f: shutil.copy(f / "vali.txt", f / "dev.txt"), (), "has more than one validation split"),
    "splits that differ in columns": (only("test", "1 qid:7 1:1\n0 qid:7 1:2\n"), (), "the splits differ in columns"),
    "folds over files that share a qid": (
        lambda f: shutil.copy(f / "vali.txt", f / "test.txt"),
        ("task.folds=5",),
        r"qid:\d+ is in more than one file; with folds, each qid must be unique",
    ),
    "binary data": (lambda f: (f / "train.txt").write_bytes(b"1 qid:1 1:1\n\0\xff\n"), (), "train.txt:2: is not UTF-8 text"),
}


@pytest.mark.parametrize(("edit", "overrides", "told"), DATA.values(), ids=DATA)
def test_a_fault_of_the_data_is_told_in_one_line(edit, overrides, told, config, lists, moft, tmp_path, match):
    shutil.copytree(lists, tmp_path / "data")
    edit(tmp_path / "data")
    before = everything(tmp_path)
    words = [word for override in (f"task.data={tmp_path / 'data'}", *overrides) for word in ("--set", override)]
    said = moft("train", config, "--out", tmp_path / "run", *words)
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert match(told, said.mistakes[0])
    assert everything(tmp_path) == before, EVERYWHERE


@pytest.mark.slow
def test_lists_of_one_item_can_be_dropped(config, lists, moft, tmp_path):
    shutil.copytree(lists, tmp_path / "data")
    with (tmp_path / "data" / "train.txt").open("a") as file:
        file.write(LONE)
    words = ("--set", f"task.data={tmp_path / 'data'}", "--set", "task.short_lists=drop", "--set", "trainer.epochs=1")
    assert moft("train", config, "--out", tmp_path / "run", *words).code == 0
    assert '"lists": 24' in (tmp_path / "run" / "versions.json").read_text()


def everything(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content, hidden ones too; folders with none."""
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in sorted(folder.rglob("*"))}
