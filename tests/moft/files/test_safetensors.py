"""Files of a run: whole or not at all, and refused when they are not what they should be."""

from __future__ import annotations

import os
import re

import pytest
import torch

from moft.errors import RunError
from moft.files.json import read_json, write_json
from moft.files.safetensors import check_fit, load_tensors, save_tensors

TENSORS = {
    "float": torch.tensor([1.5, -2.0]),
    "bytes": torch.arange(3, dtype=torch.uint8),
    "flag": torch.tensor(True),
    "view": torch.arange(6.0).reshape(2, 3).T,
    "empty": torch.zeros(0, 2),
}


def test_tensors_come_back_as_they_were(tmp_path):
    path = tmp_path / "a.safetensors"
    save_tensors(path, TENSORS)
    found = load_tensors(path)
    assert found.keys() == TENSORS.keys()
    assert all(found[name].equal(value) and found[name].dtype == value.dtype for name, value in TENSORS.items())


@pytest.mark.parametrize("kept", [0, 4, 60, -1])
def test_a_file_that_is_cut_short_is_refused(kept, tmp_path):
    path = tmp_path / "a.safetensors"
    save_tensors(path, TENSORS)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(RunError, match=rf"^{re.escape(str(path))}: is cut short or not a safetensors file") as error:
        load_tensors(path)
    assert "\n" not in str(error.value)


def test_a_file_of_another_program_is_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(RunError, match="moft did not write it"):
        load_tensors(tmp_path / "a.safetensors")


def test_a_missing_file_is_told_as_such(tmp_path):
    with pytest.raises(RunError, match=r"a.safetensors: is missing"):
        load_tensors(tmp_path / "a.safetensors")
    with pytest.raises(RunError, match=r"a.json: is missing"):
        read_json(tmp_path / "a.json")


def test_a_text_may_have_another_length_than_that_of_a_model(tmp_path):
    check_fit({"a": torch.zeros(5, dtype=torch.uint8)}, {"a": torch.zeros(0, dtype=torch.uint8)}, tmp_path)
    with pytest.raises(RunError, match=r"'a' has shape \[5\], the model \[0\]"):
        check_fit({"a": torch.zeros(5)}, {"a": torch.zeros(0)}, tmp_path)


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ({}, "lacks 'a'"),
        ({"a": torch.zeros(2), "b": torch.zeros(1)}, "holds 'b', which the model does not have"),
        ({"a": torch.zeros(3)}, r"'a' has shape \[3\], the model \[2\]"),
    ],
)
def test_tensors_of_another_model_are_refused(tensors, told, tmp_path):
    with pytest.raises(RunError, match=told):
        check_fit(tensors, {"a": torch.zeros(2)}, tmp_path)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.float8_e4m3fn])
def test_a_number_that_is_not_finite_is_refused_by_file_and_tensor(dtype, tmp_path):
    path = tmp_path / "a.safetensors"
    save_tensors(path, {"fine": torch.ones(3), "wrong": torch.tensor([[1.0, float("nan")]]).to(dtype)})
    told = r"'wrong' has the value nan at \[0, 1\], which is not a finite number; the file is damaged\.$"
    with pytest.raises(RunError, match=f"^{re.escape(str(path))}: {told}"):
        load_tensors(path)


def test_nan_may_stand_for_what_was_not_measured_and_infinity_for_nothing(tmp_path):
    path = tmp_path / "a.safetensors"
    save_tensors(path, {"values": torch.tensor([1.0, float("nan")])})
    assert load_tensors(path, unmeasured=("values",))["values"].isnan().tolist() == [False, True]
    save_tensors(path, {"values": torch.tensor(float("inf"))})
    with pytest.raises(RunError, match="'values' has the value inf, which is not a finite number"):
        load_tensors(path, unmeasured=("values",))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.int64])
def test_numbers_of_another_type_are_refused(dtype, tmp_path):
    with pytest.raises(RunError, match=r"'a' has numbers of type \w+, the model float32; it belongs to another model"):
        check_fit({"a": torch.ones(2, dtype=dtype)}, {"a": torch.zeros(2)}, tmp_path)
    check_fit({"a": torch.ones(2, dtype=torch.bfloat16)}, {"a": torch.zeros(2)}, tmp_path)  # as trained on a GPU


def test_a_file_that_may_not_be_read_is_not_called_missing(tmp_path):
    (tmp_path / "a.safetensors").mkdir()
    with pytest.raises(RunError, match=r"a.safetensors: cannot be read \(Is a directory\)"):
        load_tensors(tmp_path / "a.safetensors")


def test_an_infinite_number_is_never_written_as_json(tmp_path):
    with pytest.raises(RunError, match=r"a.json: is not written; a\.1\.b is inf, which is not a finite number\.$"):
        write_json(tmp_path / "a.json", {"a": [1, {"b": float("inf")}]})
    assert list(tmp_path.iterdir()) == []


def test_json_comes_back_with_null_for_nan(tmp_path):
    write_json(tmp_path / "a.json", {"a": [1, float("nan")], "b": (2.5,)})
    assert read_json(tmp_path / "a.json") == {"a": [1, None], "b": [2.5]}
    (tmp_path / "a.json").write_text('{"a": ')
    with pytest.raises(RunError, match=r"a.json: is cut short or not JSON"):
        read_json(tmp_path / "a.json")


def test_no_file_is_left_without_its_name(tmp_path):
    for name in ("a.json", "b.json"):
        write_json(tmp_path / name, {})
    assert sorted(os.listdir(tmp_path)) == ["a.json", "b.json"]
