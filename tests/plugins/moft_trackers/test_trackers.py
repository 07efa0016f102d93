"""Each tracker asks its library for the right things; with the library missing it is refused."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import replace
from pathlib import Path

import pytest

from moft import ConfigError, RunError
from moft_trackers import plugin

TARGETS = {component.name: component for component in plugin.moft_trackers()}
EVALUATED = {"job": "policy", "epoch": 1, "progress": 0.5, "loss": 0.5, "learning_rate": 1e-3, "hypervolume": 0.25}
NUMBERS = {"policy/loss": 0.5, "policy/learning_rate": 1e-3, "policy/hypervolume": 0.25}
FRONT = {"front/hypervolume": 0.5, "front/hypervolume_low": 0.25, "front/hypervolume_high": 0.75, "front/spacing": 0.125}
COLUMNS = ["weight:clicks", "weight:price", "clicks", "price", "main"]
ROWS = [[1.0, 0.0, 1.0, 0.25, None], [0.0, 1.0, 0.5, 0.75, None]]


def on_progress(name, run, front, error=None, **settings):
    """One run of two steps, of which the second was evaluated."""
    tracker = TARGETS[name].load()(run, **settings)
    tracker.run_started()
    tracker.step_ended(1, {"job": "policy", "progress": 0.25, "loss": 1.0})
    tracker.step_ended(2, EVALUATED)
    tracker.front_profiled(front)
    tracker.run_ended(error)


def test_every_shipped_component_is_offered_and_loads():
    assert set(TARGETS) == {"tensorboard", "trackio", "wandb", "mlflow"}
    assert all(isinstance(component.target, str) and component.summary for component in TARGETS.values())
    assert all(component.load().__module__.startswith("moft_trackers.") for component in TARGETS.values())


@pytest.mark.usefixtures("absent")
@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_missing_library_is_told_with_what_to_install(name, run):
    with pytest.raises(ConfigError, match=rf"tracker '{name}' cannot import {name} \(.*\); run pip install 'moft\[{name}\]' or"):
        TARGETS[name].load()(run)


def test_tensorboard_gets_scalars_by_step_a_table_and_the_picture(run, front, board):
    on_progress("tensorboard", run, front)
    assert board.of("SummaryWriter") == [{"log_dir": str(Path(run.folder) / "tensorboard")}]
    scalars = {(one["tag"], one.get("global_step")): one["scalar_value"] for one in board.of("add_scalar")}
    assert scalars == {
        ("policy/loss", 1): 1.0,
        **{(k, 2): v for k, v in NUMBERS.items()},
        **{(k, None): v for k, v in FRONT.items()},
    }
    config, points = board.of("add_text")
    assert '"name": "cos-dpo"' in config["text_string"]
    assert points["text_string"].splitlines()[2] == "| 1.0000 | 0.0000 | 1.0000 | 0.2500 |  |"
    (picture,) = board.of("add_image")
    assert (picture["img_tensor"].shape, picture["dataformats"]) == ((1, 1, 3), "HWC")
    assert board.calls[-1] == ("close", {})


def test_tensorboard_writes_where_it_is_told(run, front, board, tmp_path):
    on_progress("tensorboard", run, front, folder=str(tmp_path / "boards"))
    assert board.of("SummaryWriter") == [{"log_dir": str(tmp_path / "boards" / "first")}]
    with pytest.raises(ConfigError, match=r"'tensorboard' needs the setting folder, because the run has no folder\."):
        TARGETS["tensorboard"].load()(replace(run, folder=None))


def test_trackio_gets_numbers_by_step_a_table_and_the_picture(run, front, board):
    on_progress("trackio", run, front, project="rankers", space="me/runs")
    (asked,) = board.of("init")
    assert {name: value for name, value in asked.items() if value is not False} == {
        "project": "rankers",
        "name": "first",
        "space_id": "me/runs",
        "config": run.config,
        "resume": "never",
    }
    first, second, last = board.of("log")
    assert first == {"metrics": {"policy/loss": 1.0}, "step": 1}
    assert second == {"metrics": NUMBERS, "step": 2}
    table, picture = ("Table", {"columns": COLUMNS, "data": ROWS}), ("Image", {"value": str(Path(run.folder) / "front.png")})
    assert last == {"metrics": {**FRONT, "front/points": table, "front/picture": picture}}
    assert board.calls[-1] == ("finish", {})
    on_progress("trackio", run, front)
    assert board.of("init")[1]["resume"] == "allow"


def test_wandb_gets_numbers_with_the_steps_of_their_job(run, front, board):
    on_progress("wandb", run, front, project="rankers", mode="offline", tags=("a",))
    (asked,) = board.of("init")
    assert {key: asked[key] for key in ("project", "mode", "tags", "name", "id", "resume", "reinit")} == {
        "project": "rankers",
        "mode": "offline",
        "tags": ["a"],
        "name": "first",
        "id": None,
        "resume": None,
        "reinit": "create_new",
    }
    assert asked["dir"] == str(run.folder)
    assert board.of("define_metric") == [{"name": "policy/*", "step_metric": "policy/step"}]
    first, second, last = (one["data"] for one in board.of("log"))
    assert first == {"policy/loss": 1.0, "policy/step": 1}
    assert second == NUMBERS | {"policy/step": 2}
    picture = ("Image", {"data_or_path": str(Path(run.folder) / "front.png")})
    assert last == {**FRONT, "front/points": ("Table", {"columns": COLUMNS, "data": ROWS}), "front/picture": picture}
    assert board.calls[-1] == ("finish", {"exit_code": 0})
    on_progress("wandb", run, front, error=RunError("no"))
    assert {key: board.of("init")[1][key] for key in ("id", "resume")} == {"id": "id-1", "resume": "allow"}
    assert board.calls[-1] == ("finish", {"exit_code": 1})


def test_mlflow_gets_metrics_by_step_and_the_files_of_the_front(run, front, board):
    on_progress("mlflow", run, front, uri="sqlite:///runs.db", experiment="rankers")
    assert board.of("MlflowClient") == [{"tracking_uri": "sqlite:///runs.db"}]
    assert board.of("create_experiment") == [{"name": "rankers"}]
    settings, first, second, last = board.of("log_batch")
    assert {one["key"]: one["value"] for _, one in settings["params"]} == {"method.name": "cos-dpo", "seed": "0"}
    told = [{one["key"]: (one["value"], one["step"]) for _, one in each["metrics"]} for each in (first, second, last)]
    assert told == [
        {"policy/loss": (1.0, 1)},
        {key: (value, 2) for key, value in NUMBERS.items()},
        {key: (value, 0) for key, value in FRONT.items()},
    ]
    assert [Path(one["local_path"]).name for one in board.of("log_artifact")] == ["front.json", "front.csv", "front.png"]
    assert board.calls[-1] == ("set_terminated", {"run_id": "id-1", "status": "FINISHED"})
    on_progress("mlflow", run, front, error=KeyboardInterrupt())
    assert board.of("update_run") == [{"run_id": "id-1", "status": "RUNNING"}]
    assert board.calls[-1] == ("set_terminated", {"run_id": "id-1", "status": "KILLED"})


def test_a_name_that_mlflow_would_refuse_is_changed():
    from moft_trackers.mlflow import _key

    assert _key("policy/click-rate (%)") == "policy/click-rate ___"


@pytest.mark.parametrize("module", ["torch.utils.tensorboard", "trackio", "wandb", "mlflow"])
def test_the_recorded_signatures_are_those_of_the_real_library(module, signatures):
    pytest.importorskip({"torch.utils.tensorboard": "tensorboard"}.get(module, module), reason="an extra that is not installed")
    real = importlib.import_module(module)
    for name, recorded in signatures[module].items():
        found = real
        for part in name.split("."):
            found = getattr(found, part)
        assert recorded <= set(inspect.signature(found).parameters), name
