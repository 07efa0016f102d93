"""`front.json` marks a finished run: it is there only when all other results are."""

from __future__ import annotations

import math
import shutil

import pytest

from moft.errors import RunError
from moft.run.report.front_record import front_table
from moft.run.report.read_front import read_measured


@pytest.mark.parametrize("is_measured_before", [True, False])
def test_a_run_whose_report_cannot_be_written_is_not_finished(is_measured_before, config, finished, moft, tmp_path, monkeypatch):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    if not is_measured_before:
        for name in ("front.json", "front.csv", "front.png", "lists.safetensors", "report.html"):
            (run / name).unlink()

    def fail(*arguments):
        raise RunError("report.html: cannot be written.")

    with monkeypatch.context() as patch:
        patch.setattr("moft.run.report.write_front.write_report", fail)
        said = moft("train", config, "--out", run, "--resume", "--set", "profile.split=validation")
    assert (said.code, said.mistakes) == (2, ["moft: error: report.html: cannot be written."])
    with pytest.raises(RunError, match=r"run: is not finished \(it has no front.json\)"):
        read_measured(run)

    assert moft("train", config, "--out", run, "--resume", "--set", "profile.split=validation").code == 0
    written = {name: (run / name).stat().st_mtime_ns for name in ("front.json", "front.csv", "front.png", "report.html")}
    assert max(written, key=written.__getitem__) == "front.json"
    assert read_measured(run).record["split"] == "validation"


@pytest.mark.parametrize("main", [None, math.nan])
def test_the_main_columns_of_a_front_without_a_main_objective_are_empty(main):
    point = {"weights": [1.0], "betas": [0.1], "values": [0.5], "ci": [[0.4, 0.6]], "main": main, "main_ci": [main, main]}
    header, row = front_table({"objectives": ["a"], "points": [point]}).splitlines()
    assert header == "weight:a,beta:a,a,a:low,a:high,main,main:low,main:high"
    assert row == "1.0,0.1,0.5,0.4,0.6,,,"


def test_the_table_ends_with_the_base_model_and_the_dials(recorded):
    record = recorded(2, dials=[0.5, 2.0])
    header, *rows = front_table(record).splitlines()
    assert header.endswith(",main,main:low,main:high,dial")
    assert [row.rpartition(",")[2] for row in rows] == ["0.5"] * 5 + ["2"] * 5 + ["inf"]
    base = dict(zip(header.split(","), map(float, rows[-1].split(",")), strict=True))  # every field is still a number
    assert all(math.isnan(base[f"{kind}:objective_{at}"]) for kind in ("weight", "beta") for at in (0, 1))
    assert base["objective_0"] == record["base"]["values"][0]


def test_factors_for_each_objective_are_one_field():
    point = {"weights": [1.0, 0.0], "betas": [0.1, 0.2], "values": [0.5, 0.5], "ci": [[0.4, 0.6]] * 2, "dial": [1.0, 3.0]}
    record = {"objectives": ["a", "b"], "points": [point | {"main": None, "main_ci": [None, None]}]}
    assert front_table(record).splitlines()[-1].endswith(',,,,"1, 3"')
