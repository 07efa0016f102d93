"""What trackers are told becomes numbers with names, and tables."""

from __future__ import annotations

import math
from dataclasses import replace

from moft_trackers.resume_id import read_resume_id, write_resume_id
from moft_trackers.tracked_values import file_of, flatten, front_numbers, front_table, is_due, numbers_of

STEP = {"job": "base", "epoch": 1, "epochs": 2, "progress": 0.5, "loss": 0.5, "learning_rate": 1e-3, "seconds": 1.0, "lists": 8}


def test_a_step_becomes_numbers_under_the_name_of_its_job():
    values = STEP | {"hypervolume": 0.25, "main": math.nan}
    expected = {"base/loss": 0.5, "base/learning_rate": 1e-3, "base/seconds": 1.0, "base/lists": 8.0, "base/hypervolume": 0.25}
    assert numbers_of(values) == expected


def test_steps_between_are_left_out_but_for_the_first_the_last_and_the_evaluated_ones():
    assert [step for step in range(1, 11) if is_due(step, STEP, 4)] == [1, 4, 8]
    assert all(is_due(step, STEP, 1) for step in range(1, 11))
    assert is_due(3, STEP | {"clicks": 0.5}, 4)
    assert is_due(3, STEP | {"progress": 1.0}, 4)


def test_a_front_becomes_a_table_of_weights_and_values(front):
    columns, rows = front_table(front)
    assert columns == ["weight:clicks", "weight:price", "clicks", "price", "main"]
    assert rows == [[1.0, 0.0, 1.0, 0.25, None], [0.0, 1.0, 0.5, 0.75, None]]


def test_the_numbers_of_a_front_are_those_of_its_file(run):
    expected = {"hypervolume": 0.5, "hypervolume_low": 0.25, "hypervolume_high": 0.75, "spacing": 0.125}
    assert front_numbers(run) == {f"front/{name}": value for name, value in expected.items()}
    assert front_numbers(replace(run, folder=None)) == {}
    assert file_of(run, "front.svg") is None


def test_a_config_becomes_one_text_for_each_setting():
    config = {"method": {"name": "cos-dpo", "sampler": {"alpha": [1, 2]}}, "seed": 0, "trackers": {}}
    expected = {"method.name": "cos-dpo", "method.sampler.alpha": "[1, 2]", "seed": "0", "trackers": "{}"}
    assert flatten(config) == expected


def test_what_is_marked_is_there_when_the_run_is_resumed(run):
    assert read_resume_id(run, "wandb") == ""
    write_resume_id(run, "wandb", "id-1")
    assert (read_resume_id(run, "wandb"), read_resume_id(run, "mlflow")) == ("id-1", "")
    nowhere = replace(run, folder=None)
    write_resume_id(nowhere, "wandb", "id-2")
    assert read_resume_id(nowhere, "wandb") == ""
