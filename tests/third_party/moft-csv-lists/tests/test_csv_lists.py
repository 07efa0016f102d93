"""The lists of CSV files."""

import csv
import random

import pytest
import torch
from moft_csv_lists import plugin
from moft_csv_lists.task import CsvLists

from moft.api import Context
from moft.testing import check_model, check_plugin, check_task


@pytest.fixture
def task(tmp_path):
    draws = random.Random(0)
    names = ["list", "one", "two", "first", "second"]
    for split in ("train", "validation", "test"):
        with (tmp_path / f"{split}.csv").open("w", newline="") as file:
            rows = [[number, *(draws.random() for _ in names[1:])] for number in range(8) for _ in range(2 + number % 3)]
            csv.writer(file).writerows([names, *rows])
    settings = {"objectives": ["first", "second"], "features": ["one", "two"]}
    return CsvLists(Context(torch.device("cpu"), 0, tmp_path), folder=tmp_path, **settings)


def test_contract(task):
    check_plugin(plugin)
    task.prepare(None)
    check_task(task)
    check_model(task.model(2), next(iter(task.batches("train"))).inputs)


def test_a_label_is_that_of_its_column(task, tmp_path):
    (tmp_path / "few.csv").write_text("list,one,two,first,second\n0,1,2,3,4\n0,5,6,7,8\n")
    (batch,) = task.read(tmp_path / "few.csv")
    assert batch.labels.tolist() == [[[3.0, 4.0], [7.0, 8.0]]]


def test_other_content_is_other_data(task, tmp_path):
    before = task.identity()
    (tmp_path / "test.csv").write_text("list,one,two,first,second\n0,1,2,3,4\n0,5,6,7,8\n")
    assert before["splits"]["train"] == task.identity()["splits"]["train"]
    assert before["splits"]["test"] != task.identity()["splits"]["test"]
