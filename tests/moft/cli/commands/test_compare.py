"""`moft compare`: a table, verdicts and a picture, or one line that says why not."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys

import pytest

from moft.types import Nouns

FILES = ["comparison.csv", "comparison.json", "comparison.png"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder that commands are given in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_significant_difference_is_in_words_and_files(made, moft, here):
    said = moft("compare", made("low"), made("high", lift=0.1), "--out", "out")
    assert (said.code, said.mistakes) == (0, [])
    assert "high above low" in said.out
    assert said.out.splitlines()[-2:] == ["Table: out/comparison.csv", "Picture: out/comparison.png"]
    assert sorted(path.name for path in (here / "out").iterdir()) == FILES
    record = json.loads((here / "out" / "comparison.json").read_text())
    rows = list(csv.DictReader((here / "out" / "comparison.csv").read_text().splitlines()))
    for entry, row in zip(record["entries"], rows, strict=True):
        assert row["run"] == entry["name"]
        assert float(row["hypervolume"]) == entry["hypervolume"]["value"]
    assert (here / "out" / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_what_a_run_says_cannot_steer_the_terminal(made, moft, here):
    one, evil = made("one"), made("two")
    for path in (one, evil):
        record = json.loads((path / "front.json").read_text())
        record |= {"notes": ["\x1b[2J\nmoft: all is well"], "metric": "\x1b]0;NDCG\x07"}
        (path / "front.json").write_text(json.dumps(record))
    said = moft("compare", one, evil, "--out", "out")
    assert "\x1b" not in said.out + "".join(said.mistakes)
    assert not any(line.startswith("moft: all") for line in said.out.splitlines())


def test_lists_are_called_as_the_task_calls_them(made, moft, here):
    said = moft("compare", *(made(name, nouns=Nouns("query", "document")) for name in ("one", "two")))
    assert "; test, 40 queries, 5 points\n" in said.out
    assert "Intervals: 95% percentile bootstrap over queries, " in said.out


def test_equal_runs_are_not_significantly_different(made, moft, here):
    said = moft("compare", made("one"), made("two"))
    assert said.code == 0
    assert said.out.count("one and two not significantly different") == 2
    assert " above " not in said.out


def test_comparisons_are_never_written_over(made, moft, here):
    runs = made("one"), made("two")
    for _ in range(3):
        assert moft("compare", *runs, "--bootstrap-samples", "100").code == 0
    assert sorted(path.name for path in (here / "comparisons").iterdir()) == ["one-vs-two", "one-vs-two-2", "one-vs-two-3"]


def test_many_runs_have_a_short_folder(made, moft, here):
    assert moft("compare", *(made(f"run{k}") for k in range(5)), "--bootstrap-samples", "100").code == 0
    assert [path.name for path in (here / "comparisons").iterdir()] == ["run0-vs-4-others"]


def test_the_verdicts_of_ten_runs_are_a_matrix_and_words_for_the_best_alone(made, moft, here):
    said = moft("compare", *(made(f"run{k}", lift=0.02 * k) for k in range(10)), "--bootstrap-samples", "100", "--out", "out")
    assert said.code == 0
    assert "Signs: + the row's run is above the column's, - below it" in said.out
    lines = said.out.splitlines()
    assert sum(line.startswith(("hypervolume ", "main ")) for line in lines) == 18
    assert sum(line.startswith("hypervolume ") and "run9" in line for line in lines) == 9
    assert len(lines) < 60
    record = json.loads((here / "out" / "comparison.json").read_text())
    assert len(record["verdicts"]) == 90
    rows = list(csv.DictReader((here / "out" / "comparison.csv").read_text().splitlines()))
    assert rows[9]["hypervolume:above"].split("; ")[0] == "run0"
    told = sum(
        len(row[f"hypervolume:{side}"].split("; ")) for row in rows for side in ("above", "below") if row[f"hypervolume:{side}"]
    )
    significant = [each for each in record["verdicts"] if each["measure"] == "hypervolume" and each["is_significant"]]
    assert told == 2 * len(significant)


def test_runs_with_several_dials_are_compared_at_the_same_main_value(made, moft, here):
    runs = made("low", dials=(0.5, 1.0, 2.0)), made("high", dials=(0.5, 1.0, 2.0), lift=0.1)
    said = moft("compare", *runs, "--out", "out")
    assert (said.code, said.mistakes) == (0, [])
    assert sorted(path.name for path in (here / "out").iterdir()) == [*FILES, "curves.png"]
    assert "hypervolume at equal main" in said.out
    assert "high above low at 9 of 9 values of mean main from 0." in said.out
    assert said.out.splitlines()[-1] == "Curves: out/curves.png"
    assert json.loads((here / "out" / "comparison.json").read_text())["curves"]["verdicts"][0]["below"] == 9


def test_on_a_narrow_terminal_the_table_is_cut_between_columns(made, moft, here, monkeypatch):
    runs = made("a-run-of-some-length", parameters=1234567), made("two")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    said = moft("compare", *runs, "--bootstrap-samples", "100")
    assert said.out.count("a-run-of-some-length ") >= 3
    assert "1,234,567" in said.out
    assert "…" not in said.out
    table = re.sub(r"\x1b\[[0-9;]*m", "", said.out).split("NDCG")[0]
    assert max(map(len, table.splitlines())) <= 60


def test_seeds_and_folds_are_grouped(made, moft, here):
    runs = [
        made(f"{m}-{s}-{f}", method=m, seed=s, fold=f, lift=0.1 * (m == "dpo-ls"))
        for m in ("cos-dpo", "dpo-ls")
        for s in (0, 1)
        for f in (0, 1, 2)
    ]
    said = moft("compare", *runs, "--over-seeds", "--pool", "task.fold", "--out", "out")
    assert (said.code, said.mistakes) == (0, [])
    assert "method.name=dpo-ls above method.name=cos-dpo" in said.out
    record = json.loads((here / "out" / "comparison.json").read_text())
    assert [(len(entry["runs"]), entry["seeds"]) for entry in record["entries"]] == [(6, [0, 1])] * 2
    assert record["lists"] == 120


def test_more_samples_are_what_was_asked_for(made, moft, here):
    assert moft("compare", made("one"), made("two"), "--bootstrap-samples", "137", "--out", "out").code == 0
    record = json.loads((here / "out" / "comparison.json").read_text())
    assert record["intervals"] == "95% percentile bootstrap over lists, 137 samples, seed 0"


@pytest.mark.slow
def test_trained_runs_and_their_profiles_are_compared(finished, config, moft, here):
    assert moft("train", config, "--out", "runs/other", "--set", "seed=1").code == 0
    assert moft("profile", finished, "--points", "5", "--out", "finer").code == 0
    assert moft("profile", "runs/other", "--points", "5").code == 0
    said = moft("compare", finished, "runs/other", "--out", "first")
    assert (said.code, said.mistakes) == (0, [])
    record = json.loads((here / "first" / "comparison.json").read_text())
    assert [entry["name"] for entry in record["entries"]] == ["run", "other"]
    for folder, entry in zip((finished, here / "runs" / "other"), record["entries"], strict=True):
        front = json.loads((folder / "front.json").read_text())
        assert entry["hypervolume"]["value"] == pytest.approx(front["hypervolume"]["value"], rel=1e-5)
    assert moft("compare", "finer", "runs/other/profiles/test-5", "--out", "second").code == 0
    assert moft("compare", finished, "runs/other", "--over-seeds", "--out", "third").code == 0
    assert json.loads((here / "third" / "comparison.json").read_text())["entries"][0]["seeds"] == [0, 1]
    said = moft("compare", finished, "runs/other/profiles/test-5", "--out", "fourth")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert "the grid has 5 points" in said.mistakes[0]


def test_an_empty_folder_is_filled(made, moft, here):
    made("one"), made("two")
    (here / "empty").mkdir()
    assert moft("compare", "one", "two", "--out", "empty").code == 0
    assert (here / "empty" / "comparison.json").is_file()


MISTAKES = {
    "one run": (("one",), "moft compare needs at least two runs, got 1."),
    "a run twice": (("one", "one"), "is given twice"),
    "no such run": (("one", "none"), "none: there is no such folder."),
    "no front": (("one", "empty"), "empty: has no measured front (front.json)"),
    "another protocol": (("one", "other"), "other: the metric differs from one's"),
    "other dials": (
        ("one", "dialled"),
        "dialled: was measured at 2 dials, one at 1 dial, and more points reach a larger hypervolume; run `moft profile RUN "
        "--dial 0.5 --dial 2` and compare the folder that it writes.",
    ),
    "few samples": (("one", "two", "--bootstrap-samples", "99"), "--bootstrap-samples 99: must be at least 100"),
    "many samples": (("one", "two", "--bootstrap-samples", f"{10**30}"), "must be at most 1,000,000."),
    "an unknown setting": (("one", "two", "--pool", "task.flod"), "--pool task.flod: one has no such setting"),
    "nothing over seeds": (("one", "two", "--over-seeds"), "one and two: have the same settings and seed=0"),
    "something is there": (("one", "two", "--out", "one"), "one: already exists; choose another --out"),
}


@pytest.mark.parametrize(("words", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_in_one_line_and_leaves_nothing(words, told, made, moft, here):
    made("one"), made("two"), made("other", front={"metric": "MAP"}), made("dialled", dials=(0.5, 2.0))
    (here / "empty").mkdir()
    before = sorted(here.rglob("*"))
    said = moft("compare", *words)
    assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)
    assert told in said.mistakes[0]
    assert sorted(here.rglob("*")) == before


def test_a_disk_that_is_full_leaves_nothing_half_written(made, moft, here, monkeypatch):
    runs = made("one"), made("two")

    def refuse(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    said = moft("compare", *runs, "--out", "out")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert "No space left on device" in said.mistakes[0]
    assert sorted(path.name for path in here.iterdir()) == ["one", "two"]


def test_help_imports_nothing_slow():
    code = (
        "import sys; from moft.cli.app import main; main(['compare', '--help']);"
        "print([m for m in ('torch', 'numpy', 'matplotlib', 'rich') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "--over-seeds" in done.stdout
    assert done.stderr.splitlines()[-1] == "[]"
