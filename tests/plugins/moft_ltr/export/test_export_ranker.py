"""`moft export` of rankers: folders that check themselves without moft, and mistakes that leave nothing behind."""

from __future__ import annotations

import builtins
import json
import runpy
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from moft import ConfigError, RunError
from moft.api import Injection
from moft_conditioners.concat import Concat
from moft_ltr.export import export_ranker as module
from moft_ltr.export.export_ranker import export_ranker

pytest.importorskip("lightgbm")
pytest.importorskip("onnx")
InferenceSession = pytest.importorskip("onnxruntime").InferenceSession
text_format = pytest.importorskip("google.protobuf.text_format")
ModelConfig = pytest.importorskip("tritonclient.grpc.model_config_pb2").ModelConfig

TREES = {"name": "cos-dpo-trees", "trees": 4, "redraw": 2, "draws": 2, "grow": {"leaves": 5, "items": 1}}
SMALL = {"name": "lambdamart", "trees": 5, "items": 2, "leaves": 4}
FILES = ["README.md", "check.py", "config.pbtxt", "examples.json", "features.json"]


@pytest.fixture
def checked(monkeypatch, capsys):
    """Runs the check script of a folder where moft cannot be imported, and gives what it prints."""

    def run(folder):
        plain = builtins.__import__

        def without_moft(name, *given, **named):
            if name.startswith("moft"):
                raise ImportError(name)
            return plain(name, *given, **named)

        with monkeypatch.context() as patch:
            patch.setattr(builtins, "__import__", without_moft)
            runpy.run_path(str(folder / "check.py"))
        assert len((folder / "check.py").read_text().splitlines()) < 30
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize(
    ("base", "method", "options", "models", "cases"),
    [
        (SMALL, "cos-dpo", {"as": "onnx"}, ["model.onnx"], 4),
        ({"name": "scores", "column": 8}, TREES, {"as": "onnx"}, ["model.onnx", "vespa.profile"], 4),
        (SMALL, "dpo-soup", {"as": "onnx", "weights": "0.2,0.8"}, ["model.onnx"], 1),
        (SMALL, TREES, {"as": "lightgbm", "dial": "2"}, ["model.json", "model.txt", "vespa.profile"], 3),
        (SMALL, TREES, {"as": "lightgbm", "weights": "0.2,0.8"}, ["model.json", "model.txt", "vespa.profile"], 1),
    ],
    ids=str,
)
def test_a_folder_checks_itself_without_moft(run, task, tmp_path, checked, base, method, options, models, cases):
    given, out = run(task(base=base), method), tmp_path / "out"
    (line,) = export_ranker(given, out, options)
    assert line.startswith(f"{out / 'model'}")
    assert checked(out) == f"ok: 10 documents at {cases} tradeoffs have moft's scores.\n"
    assert sorted(path.name for path in out.iterdir()) == sorted([*FILES, *models])
    record = json.loads((out / "features.json").read_text())
    columns = 7 if base["name"] == "scores" else 8
    assert [each["name"] for each in record["features"]] == [f"column_{number + 1}" for number in range(columns)]
    assert record["objectives"] == ["first", "second"]
    assert record.get("base_scores") == ("column_8" if base["name"] == "scores" else None)
    page = (out / "README.md").read_text()
    assert "not been measured" in page
    assert ("fixed at first 0.2, second 0.8" in page) == ("weights" in options)
    assert "{" not in page
    config = text_format.Parse((out / "config.pbtxt").read_text(), ModelConfig())
    assert config.backend == ("fil" if options["as"] == "lightgbm" else "onnxruntime")
    if options["as"] == "onnx":
        session = InferenceSession(str(out / "model.onnx"))
        assert {each.name: len(each.dims) for each in config.input} == {
            each.name: len(each.shape) for each in session.get_inputs()
        }
        assert [each.name for each in config.output] == [each.name for each in session.get_outputs()]


def test_a_sum_is_told_how_to_add_up(run, task, tmp_path, checked):
    export_ranker(run(task(base=SMALL), TREES | {"form": "sum"}), tmp_path / "out", {"as": "lightgbm"})
    assert checked(tmp_path / "out").startswith("ok: 10 documents at 3 tradeoffs")
    record = json.loads((tmp_path / "out" / "features.json").read_text())
    assert record["sum"] == {
        "base": "base.txt",
        "objectives": {"first": "objective-first.txt", "second": "objective-second.txt"},
    }
    profile = (tmp_path / "out" / "vespa.profile").read_text()
    assert 'lightgbm("base.json") + query(weight_first) * lightgbm("objective-first.json")' in profile
    assert not (tmp_path / "out" / "config.pbtxt").exists()


@pytest.mark.parametrize("form", ["onnx", "lightgbm"])
def test_missing_values_and_categories_are_told(run, task, shop, tmp_path, checked, form):
    objectives = {"clicks": {"column": "clicks"}, "dwell": {"column": "dwell"}}
    built = task(data=shop, base=SMALL, objectives=objectives, main={"column": "grade"}, features=["lost", "brand", "a"])
    export_ranker(run(built, TREES), tmp_path / "out", {"as": form})
    assert checked(tmp_path / "out").startswith("ok: ")
    record = json.loads((tmp_path / "out" / "features.json").read_text())
    assert record["features"][1]["categories"] == ["x", "y"]
    rows = np.array(json.loads((tmp_path / "out" / "examples.json").read_text())["features"], dtype=float)
    assert np.isnan(rows[:, 0]).any()
    assert {0.0, 1.0} <= {*rows[:, 1]}
    assert "`brand`: the number, from 0, of the category" in (tmp_path / "out" / "README.md").read_text()


def test_the_command_writes_a_finished_run_with_its_front_and_choices(finished, lists, moft, tmp_path, checked):
    run, out = tmp_path / "run", tmp_path / "out"
    shutil.copytree(finished, run)
    assert moft("choose", run, "--maximise", "first", "--name", "best").code == 0
    said = moft("export", run, out, "--as", "onnx")
    assert (said.code, said.mistakes) == (0, [])
    assert said.out.startswith(f"{out / 'model.onnx'}: the policy at any weights. {out / 'README.md'} says how")
    assert checked(out).startswith("ok: 10 documents")
    assert (out / "front.csv").read_bytes() == (run / "front.csv").read_bytes()
    assert pd.read_csv(out / "front.csv").shape[0] > 1
    choices = json.loads((out / "features.json").read_text())["choices"]
    assert list(choices) == ["best"]
    assert "| best |" in (out / "README.md").read_text()
    assert moft("export", run, tmp_path / "frozen", "--as", "onnx", "--weights", "best").code == 0
    case = json.loads((tmp_path / "frozen" / "examples.json").read_text())["cases"][0]
    assert case["weights"] == pytest.approx(choices["best"]["weights"], abs=1e-6)
    assert case["dial"] == pytest.approx(choices["best"]["dial"])
    kept = json.loads((run / "choices" / "best.json").read_text())
    assert json.loads((tmp_path / "frozen" / "choice.json").read_text()) == {"name": "best", **kept}
    assert "These are the weights of the choice `best`." in (tmp_path / "frozen" / "README.md").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "the export of a ranker needs --as lightgbm or onnx."),
        (["--as", "torch"], "--as 'torch': must be lightgbm or onnx."),
        (["--as", "peft"], "--as 'peft': must be lightgbm or onnx."),
        (["--as", "lightgbm"], "--as lightgbm: the policy of this run is a network, not trees; use --as onnx."),
        (["--as", "onnx", "--dtype", "float32"], "--dtype has no effect on the export of a ranker. Leave it out."),
        (["--as", "onnx", "--threads", "2"], "--threads has no effect on the export of a ranker. Leave it out."),
        (["--as", "onnx", "--dial", "2"], "--dial is an input of an ONNX model; leave it out, or give --weights to export"),
        (["--as", "onnx", "--weights", "1"], "--weights '1': 1 values for 2 objectives: first, second."),
        (["--as", "onnx", "--weights", "0.5,0.6"], "--weights '0.5,0.6': weights must sum to 1"),
        (["--as", "onnx", "--weights", "nobody"], "--weights 'nobody': is neither weights"),
        (["--as", "onnx", "--weights", "0.5,0.5", "--dial", "1,2"], "betas [1.0, 1.0] are not a multiple"),
    ],
)
def test_a_mistake_is_told_in_one_line_and_leaves_nothing(finished, moft, tmp_path, words, told):
    said = moft("export", finished, tmp_path / "out", *words)
    assert said.code == 2
    assert len(said.mistakes) == 1
    assert said.mistakes[0].startswith(f"moft: error: {told}")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays(finished, moft, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    said = moft("export", finished, tmp_path, "--as", "onnx")
    assert said.mistakes == [f"moft: error: {tmp_path}: already exists. Choose another path or remove it."]
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_missing_package_is_named(finished, moft, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    said = moft("export", finished, tmp_path / "out", "--as", "onnx")
    told = "--as onnx needs the packages onnx and onnxruntime: pip install 'moft[onnx]'."
    assert (said.code, said.mistakes) == (2, [f"moft: error: {told}"])


def test_a_policy_of_several_models_says_what_to_give(run, task, tmp_path):
    given = run(task(base=SMALL), "dpo-soup")
    with pytest.raises(ConfigError, match=r"has several models, of which an export has one: give --weights to export that"):
        export_ranker(given, tmp_path / "out", {"as": "onnx"})
    assert not (tmp_path / "out").exists()


def test_other_scores_than_those_of_the_run_are_not_written(run, task, tmp_path, monkeypatch):
    given = run(task(base=SMALL), TREES)
    plain = module.lightgbm_models
    monkeypatch.setattr(module, "lightgbm_models", lambda *names: plain(*names[:-1], 3.0))
    with pytest.raises(RunError, match=r"the model gives scores that differ from those of the run by up to .*; nothing was"):
        export_ranker(given, tmp_path / "out", {"as": "lightgbm"})
    assert not (tmp_path / "out").exists()


def test_a_conditioner_that_fixes_the_batch_is_found_out(run, task, tmp_path, monkeypatch):
    def forward(self, vector):
        return Injection({self._site: (None, self.shift(vector).view(len(vector), -1))})

    given = run(task(base=SMALL), {"name": "cos-dpo", "conditioner": "concat"})
    monkeypatch.setattr(Concat, "forward", forward)
    with pytest.raises(RunError, match="--as onnx: ONNX Runtime cannot run the model"):
        export_ranker(given, tmp_path / "out", {"as": "onnx"})
    monkeypatch.setattr(
        Concat, "forward", lambda self, vector: Injection({self._site: (None, torch.special.i0(self.shift(vector)))})
    )
    with pytest.raises(ConfigError, match=r"--as onnx: torch cannot write the policy as ONNX \(.*i0"):
        export_ranker(given, tmp_path / "out", {"as": "onnx"})
    assert not (tmp_path / "out").exists()


def test_a_conditioner_of_one_tradeoff_at_a_time_is_exported_at_one(run, task, tmp_path, monkeypatch):
    given = run(task(base=SMALL), {"name": "cos-dpo", "conditioner": "concat"})
    monkeypatch.setattr(Concat, "per_row", False)
    with pytest.raises(
        ConfigError, match=r"the conditioner Concat serves one tradeoff at a time, .* give --weights to export one"
    ):
        export_ranker(given, tmp_path / "out", {"as": "onnx"})
    export_ranker(given, tmp_path / "out", {"as": "onnx", "weights": "0.5,0.5"})
    assert (tmp_path / "out" / "model.onnx").exists()
