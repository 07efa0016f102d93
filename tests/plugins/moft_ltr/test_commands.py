"""The commands of `moft data`, as an application calls them."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from moft import ConfigError, DataError, MoftError
from moft.api import Plugins
from moft.interrupts import Interrupted
from moft_ltr import plugin
from moft_ltr.data.dataset import open_dataset, read_dataset

TEXT = "".join(f"{i} qid:{q} 1:{i} 2:{-i}\n" for q in (1, 2) for i in range(3))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOFT_CACHE", str(tmp_path / "cache"))


@cache
def installed() -> Plugins:
    plugins = Plugins()
    plugins.load()
    return plugins


def run(*arguments: object) -> str:
    app, data = typer.Typer(), typer.Typer()
    app.add_typer(data, name="data")
    plugin.moft_commands(app, data)
    result = CliRunner().invoke(app, ["data", *map(str, arguments)], env={"COLUMNS": "120", "TERM": "dumb"}, obj=installed())
    if isinstance(result.exception, MoftError | Interrupted):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "data.txt"
    path.write_text(TEXT)
    return path


def test_every_command_has_help() -> None:
    for command in ([], ["get"], ["make"], ["make", "synthetic"], ["convert"], ["describe"]):
        assert "Usage" in run(*command, "--help")


def test_convert_writes_a_folder_that_opens(tmp_path: Path) -> None:
    output = run("convert", text_file(tmp_path), tmp_path / "out", "--label", "down=2")
    assert "2 queries, 6 documents, 2 columns" in output
    data = open_dataset(tmp_path / "out", tmp_path)
    assert data.labels == {"down": 2}
    assert data.features[:, 1].tolist() == [0, -1, -2, 0, -1, -2]
    assert not (tmp_path / "cache").exists()


def test_convert_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match=r"out: already exists; choose another folder"):
        run("convert", text_file(tmp_path), tmp_path / "out")


def test_describe_takes_labels_from_the_command_line(tmp_path: Path) -> None:
    output = run("describe", text_file(tmp_path), "--label", "up=1", "--label", "down=2")
    assert "up and down conflict" in output
    assert "up" not in run("describe", tmp_path / "data.txt").split()


def test_describe_ends_with_what_the_labels_say(tmp_path: Path) -> None:
    output = run("describe", text_file(tmp_path), "--label", "up=1", "--label", "down=2")
    assert output.index("Agreement") < output.index("What each order has") < output.index("What this says")
    assert output.count("Agreement (Kendall's tau-b)") == 1


def test_describe_needs_objectives_to_measure_a_base_on(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--base needs --label NAME=COLUMN"):
        run("describe", text_file(tmp_path), "--base", "1")


def test_describe_takes_preference_data(tmp_path: Path) -> None:
    path = tmp_path / "lists.jsonl"
    path.write_text('{"prompt": "p", "responses": ["a", "b"], "labels": {"good": [1, 0], "safe": [0, 1]}}\n')
    assert "the best order for good has" in run("describe", path)
    with pytest.raises(ConfigError, match=r"--label is for data of rankers; plugin llm describes .*lists.jsonl"):
        run("describe", path, "--label", "good=1")


def test_describe_knows_fetched_sets_by_name(tmp_path: Path) -> None:
    run("make", "synthetic", tmp_path / "cache" / "data" / "mine", "--lists", 4, "--items", 5, "--features", 8)
    assert "Labels of validation" in run("describe", "mine")


def test_describe_without_such_data_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Run `moft data get mslr-sample`"):
        run("describe", "mslr-sample")


@pytest.mark.parametrize("label", ["clicks", "=3", "clicks=", "clicks=three", "clicks=-1"])
def test_a_label_of_another_form_is_refused(tmp_path: Path, label: str) -> None:
    with pytest.raises(ConfigError, match="must be NAME=COLUMN, such as clicks=134"):
        run("describe", text_file(tmp_path), "--label", label)


def test_a_label_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--label 'a': given twice"):
        run("describe", text_file(tmp_path), "--label", "a=1", "--label", "a=2")


def test_make_synthetic_passes_every_setting_on(tmp_path: Path) -> None:
    settings = ("--lists", 9, "--items", 6, "--features", 12, "--objectives", 3, "--conflict", 0, "--seed", 5)
    output = run("make", "synthetic", tmp_path / "out", *settings)
    assert "objective-1=13, objective-2=14, objective-3=15" in output
    data = open_dataset(tmp_path / "out" / "train", tmp_path)
    assert (len(data), data.columns) == (9, 15)
    assert np.array_equal(data.features[:, 12], data.features[:, 14])
    assert len(json.loads((tmp_path / "out" / "known_front.json").read_text())["points"]) == 3 + 1
    run("make", "synthetic", tmp_path / "other", *settings[:-1], 6)
    assert open_dataset(tmp_path / "other" / "train", tmp_path).sha256 != data.sha256


def test_make_synthetic_writes_text_and_says_when_no_front_is_known(tmp_path: Path) -> None:
    settings = ("--lists", 4, "--items", 5, "--features", 8, "--noise", 0.5, "--format", "svmlight")
    assert "No known_front.json" in run("make", "synthetic", tmp_path / "out", *settings)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["test.txt", "train.txt", "vali.txt"]


def test_get_refuses_a_set_that_it_does_not_know() -> None:
    with pytest.raises(DataError, match="dataset 'mslr' is unknown; available: mslr-sample"):
        run("get", "mslr")


def test_get_says_that_it_is_there_already_and_whose_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        "moft_ltr.data.example_data.mslr_sample.fetch_mslr_sample", lambda target: asked.append(target) or len(asked) == 1
    )
    assert "downloaded" in run("get", "mslr-sample")
    output = run("get", "mslr-sample", "--out", tmp_path / "own")
    assert asked == [tmp_path / "cache" / "data" / "mslr-sample", tmp_path / "own"]
    assert "already exists" in output
    assert "MSLR data is for research use; source: the package rankeval==0.8.2" in output


def test_offering_tasks_and_commands_imports_nothing_slow() -> None:
    code = (
        "import sys, typer; from moft_ltr import plugin; plugin.moft_commands(typer.Typer(), typer.Typer());"
        "list(plugin.moft_tasks()); list(plugin.moft_evaluators());"
        "print([name for name in ('torch', 'numpy', 'sklearn', 'scipy') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize("words", [["make", "synthetic", "out"], ["convert", "data.txt", "out"], ["get", "mslr-sample"]])
def test_an_interrupt_is_told_with_what_is_kept(words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    for place in (
        "example_data.synthetic.make_synthetic",
        "readers.svmlight.convert",
        "example_data.mslr_sample.fetch_mslr_sample",
    ):
        monkeypatch.setattr(f"moft_ltr.data.{place}", interrupted)
    with pytest.raises(Interrupted, match="Nothing was kept"):
        run(*words)


TABLE = "search,item,f,kind,clicks,note\na,x,1,u,3,hi\na,y,,v,,ho\nb,x,2,u,0,hi\nb,y,3,,1,ho\n"


def table_file(tmp_path: Path, text: str = TABLE) -> Path:
    (tmp_path / "t.csv").write_text(text)
    return tmp_path / "t.csv"


def test_a_table_is_converted_by_the_names_of_its_columns(tmp_path: Path) -> None:
    words = ("--query", "search", "--label", "c=clicks", "--categorical", "kind", "--exclude", "note")
    told = run("convert", table_file(tmp_path), tmp_path / "out", *words)
    assert "2 queries, 4 documents, 3 columns" in told
    data = read_dataset(tmp_path / "out")
    assert (data.facts.names, data.labels, data.facts.categories) == (("f", "kind", "clicks"), {"c": 3}, {2: ("u", "v")})
    other = table_file(tmp_path, "clicks,kind,f,search\n1,v,2,z\n2,w,3,z\n")
    run("convert", other, tmp_path / "other", "--query", "search", "--like", tmp_path / "out")
    data = read_dataset(tmp_path / "other")
    assert (data.facts.names, data.labels, data.facts.categories) == (("f", "kind", "clicks"), {"c": 3}, {2: ("u", "v", "w")})


def test_a_table_is_described_with_the_share_of_missing_labels(tmp_path: Path) -> None:
    told = run("describe", table_file(tmp_path), "--query", "search", "--label", "clicks=clicks")
    assert "missing" in told
    assert "25.0%" in told
    assert "relevance" not in told


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--label", "c=clocks"], r"there is no column 'clocks'; the nearest are 'clicks'"),
        (["--categorical", "kinds"], r"categorical: there is no column 'kinds'"),
        (["--query", "q"], r"query: there is no column 'q'"),
    ],
)
def test_columns_that_a_table_does_not_have_are_one_line(tmp_path: Path, words: list[str], expected: str) -> None:
    given = words if "--query" in words else ["--query", "search", *words]
    for command in (["convert", table_file(tmp_path), tmp_path / "out"], ["describe", table_file(tmp_path)]):
        with pytest.raises(DataError, match=expected):
            run(*command, *given)


def test_options_for_tables_are_refused_for_svmlight_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--query is for tables; .*data\.txt is read as svmlight text"):
        run("convert", text_file(tmp_path), tmp_path / "out", "--query", "q")
