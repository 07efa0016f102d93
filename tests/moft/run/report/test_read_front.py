"""Reading a measured front: what is not whole is told in one line."""

from __future__ import annotations

import json

import pytest
import torch

from moft import RunError
from moft.files.safetensors import load_tensors, save_tensors
from moft.run.report.read_front import read_measured
from moft.types import Nouns

BEFORE = "a version of moft before 0.2.0, which this version cannot read; train the run anew, with another --out."


def changed(folder, change):
    """The folder, its record changed."""
    record = json.loads((folder / "front.json").read_text())
    change(record)
    (folder / "front.json").write_text(json.dumps(record))
    return folder


def refusal(folder):
    with pytest.raises(RunError) as caught:
        read_measured(folder)
    return str(caught.value)


def test_a_front_is_read_as_it_was_written(made):
    run = read_measured(made("mine", method="dpo-ls", seed=3, points=4))
    assert (run.name, run.config["method"], run.config["seed"]) == ("mine", {"name": "dpo-ls"}, 3)
    assert (run.objectives, run.reference) == (["clicks", "dwell"], [0.0, 0.0])
    assert run.tensors["values"].shape == (4, 40, 2)


def test_a_front_says_what_its_task_calls_lists(made):
    run = read_measured(made("mine", nouns=Nouns("query", "document")))
    assert run.record["nouns"] == {"list": "query", "item": "document"}
    assert run.record["intervals"].startswith("95% percentile bootstrap over queries, ")
    assert run.nouns == Nouns("query", "document")


def test_what_is_no_folder_is_refused(made, tmp_path):
    assert refusal(tmp_path / "nothing") == f"{tmp_path / 'nothing'}: there is no such folder."
    file = made("mine") / "front.json"
    assert refusal(file) == f"{file}: is a file; give the folder of a run."


def test_a_folder_without_a_front_is_refused(tmp_path, match):
    assert match(r"has no measured front \(front.json\); `moft train`", refusal(tmp_path))
    (tmp_path / "config.yaml").write_text("")
    assert match(r"is not finished \(it has no front.json\); resume it by `moft train ... --resume`", refusal(tmp_path))


def test_a_damaged_record_is_refused(made, match):
    folder = made("mine")
    whole = (folder / "front.json").read_text()
    (folder / "front.json").write_text(whole[:100])
    assert match("front.json: is cut short or not JSON", refusal(folder))
    (folder / "front.json").write_text("[]")
    assert match("front.json: is damaged; it holds no fields", refusal(folder))
    (folder / "front.json").write_text(whole)
    assert match("lacks 'points'", refusal(changed(folder, lambda record: record.pop("points"))))
    (folder / "front.json").write_text(whole)
    assert match("lacks 'run.data'", refusal(changed(folder, lambda record: record["run"].pop("data"))))
    (folder / "front.json").write_text(whole)
    told = refusal(changed(folder, lambda record: record["cost"].pop("separate_seconds")))
    assert match("lacks 'cost.separate_seconds'", told)
    (folder / "front.json").write_text(whole)
    assert match("lacks 'cost.jobs'", refusal(changed(folder, lambda record: record.update(cost=None))))


@pytest.mark.parametrize("dial", [None, 4.0, [1.0, 2.0, 3.0], [], 0.0, [1.0, -1.0]], ids=str)
def test_a_record_with_the_wrong_dials_is_refused(dial, made, match):
    assert len(read_measured(made("whole", dials=(0.5, 2.0))).record["points"]) == 10

    def change(record):
        for point in record["points"][:5] if dial not in (None, 4.0) else record["points"][:1]:
            del point["dial"]
            point.update({} if dial is None else {"dial": dial})

    assert match(
        "front.json: is damaged; its points do not have the dials", refusal(changed(made("mine", dials=(0.5, 2.0)), change))
    )


def test_another_version_s_record_is_refused(made, match):
    assert match("has schema 3; this version of moft reads 2", refusal(changed(made("new"), lambda r: r.update(schema=3))))
    old = changed(made("old"), lambda record: record.update(schema=1))
    assert refusal(old) == f"{old / 'front.json'}: was made by {BEFORE}"
    assert match("is damaged; it lacks 'run'", refusal(changed(made("damaged"), lambda record: record.pop("run"))))


def test_damaged_lists_are_refused(made, match):
    folder = made("mine")
    file = folder / "lists.safetensors"
    tensors = load_tensors(file)
    save_tensors(file, {name: value for name, value in tensors.items() if name != "main"})
    assert match("lists.safetensors: is damaged; it lacks 'main'", refusal(folder))
    save_tensors(file, tensors | {"values": torch.zeros(3, 40, 2)})
    assert match(r"'values' has shape \[3, 40, 2\], but front.json next to it needs \[5, 40, 2\]", refusal(folder))
    file.write_bytes(b"\0" * 9)
    assert match("is cut short or not a safetensors file", refusal(folder))
    file.unlink()
    assert match("lists.safetensors: is missing", refusal(folder))


def test_lists_that_were_changed_are_refused(made, match):
    folder = made("mine")
    tensors = load_tensors(folder / "lists.safetensors")
    for name in ("values", "main", "weights", "betas"):
        save_tensors(folder / "lists.safetensors", tensors | {name: tensors[name] + 0.01})
        assert match(f"'{name}' is not what front.json next to it has; one of the two files was changed", refusal(folder))


@pytest.mark.parametrize("name", ["values", "weights", "betas"])
def test_a_point_with_more_numbers_than_the_others_is_refused(name, made, match):
    longer = changed(made("mine"), lambda record: record["points"][1].update({name: [0.1, 0.2, 0.7]}))
    assert match(f"'{name}' is not what front.json next to it has", refusal(longer))


@pytest.mark.parametrize("value", [None, "x", [1], {"a": 1}, True])
@pytest.mark.parametrize("field", ["objectives", "points", "hypervolume", "indicators", "notes", "run", "nouns", "metric"])
def test_fields_of_another_kind_are_refused_in_one_line(field, value, made):
    folder = made("mine")
    if (field, value) in (("metric", "x"), ("indicators", {"a": 1})):
        return  # a metric is any text, and an indicator has any name
    told = refusal(changed(folder, lambda record: record.update({field: value})))
    assert "front.json: is damaged; " in told
    assert "\n" not in told
