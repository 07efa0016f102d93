"""`--dial` with one number for each objective: what a policy that reads betas answers, and what others say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import moft as library
from moft.errors import ConfigError, ShapeError
from moft.types import Tradeoff


@pytest.fixture(scope="module")
def steerable(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run whose betas were drawn."""
    from moft.cli.app import main

    folder = tmp_path_factory.mktemp("steerable")
    settings = ["--set", "method={name: cos-dpo, betas: dirichlet}"]
    assert main(["train", str(finished.parent / "small.yaml"), "--out", str(folder / "run"), *settings]) == 0
    return folder / "run"


def numbers(out: str) -> torch.Tensor:
    return torch.tensor([float(line) for line in out.splitlines()])


def test_scores_at_unequal_temperatures_are_those_of_the_policy(steerable, lists, moft):
    run = library.open_run(steerable, device="cpu")
    batches = run.task.read(lists / "test.txt")
    asked = Tradeoff(torch.tensor([[0.3, 0.7]]), torch.tensor([[1.0, 3.0]]) * run.trained_betas)
    expected = []
    for index in range(batches.lists):
        with torch.no_grad():
            expected.append(run.policy(batches.load(torch.tensor([index])), asked)[0])
    said = moft("score", steerable, lists / "test.txt", "--weights", "0.3,0.7", "--dial", "1,3")
    assert (said.code, said.mistakes) == (0, [])
    torch.testing.assert_close(numbers(said.out), torch.cat(expected), rtol=1e-5, atol=1e-6)
    assert run.scores(lists / "test.txt", [0.3, 0.7], dial=[1, 3]) == pytest.approx(numbers(said.out).tolist(), abs=1e-6)


def test_temperatures_by_name_leave_the_others_as_trained(steerable, lists, moft):
    words = ("score", steerable, lists / "test.txt", "--weights", "0.3,0.7", "--dial")
    assert moft(*words, "second=3").out == moft(*words, "1,3").out != moft(*words, "3,1").out


@pytest.mark.parametrize("run", ["finished", "steerable"])
def test_one_number_is_the_same_for_every_objective(run, lists, moft, request):
    words = ("score", request.getfixturevalue(run), lists / "test.txt", "--weights", "0.3,0.7", "--dial")
    assert moft(*words, "2").out == moft(*words, "2,2").out != moft(*words, "1").out


def test_a_front_is_measured_at_unequal_temperatures(steerable, moft):
    assert moft("profile", steerable, "--dial", "first=0.5", "--points", "3").code == 0
    found = json.loads((steerable / "profiles" / "test-3-dial-0.5-1" / "front.json").read_text())
    assert all(point["betas"] == [0.5, 0.5] for point in found["points"])  # the second was trained at 0.5
    assert found["notes"][-1] == "Measured at a dial of 0.5, 1."
    as_trained = json.loads((steerable / "front.json").read_text())["points"]
    assert [point["values"] for point in found["points"]] != [point["values"] for point in as_trained]


def test_numbers_that_are_all_one_measure_it_as_trained(steerable, moft, tmp_path):
    assert moft("profile", steerable, "--dial", "1,1", "--out", tmp_path / "front").code == 0
    found, trained = (json.loads((folder / "front.json").read_text()) for folder in (tmp_path / "front", steerable))
    assert (found["points"], found["notes"]) == (trained["points"], [])


def test_a_policy_of_one_ratio_says_that_it_has_no_other(finished, lists, moft, tmp_path):
    told = "betas [1.0, 1.5] are not a multiple of the trained ones [1.0, 0.5]"
    scored = moft("score", finished, lists / "test.txt", "--weights", "0.3,0.7", "--dial", "1,3")
    profiled = moft("profile", finished, "--dial", "1,3", "--out", tmp_path / "front")
    for said in (scored, profiled):
        assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)
        assert told in said.mistakes[0]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match="not a multiple"):
        library.open_run(finished, device="cpu").scores(lists / "test.txt", [0.3, 0.7], dial=[1, 3])


WRONG = {
    "1,0": "--dial 0: must be above 0",
    "-1,1": "--dial -1: must be above 0",
    "1,nan": "--dial '1,nan': 'nan' is not a number",
    "1,2,3": "--dial '1,2,3': 3 values for 2 objectives: first, second.",
    "third=2": "--dial 'third=2': 'third' is not an objective.",
    "hot": "--dial 'hot': 'hot' is not a number.",
}


@pytest.mark.parametrize("command", ["score", "profile"])
@pytest.mark.parametrize(("text", "told"), WRONG.items())
def test_a_mistake_is_told_in_one_line(text, told, command, steerable, lists, moft, tmp_path):
    words = ("score", steerable, lists / "test.txt", "--weights", "1,0") if command == "score" else ("profile", steerable)
    said = moft(*words, "--dial", text, "--out", tmp_path / "out")
    assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)
    assert told in said.mistakes[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dial", [0.0, [1.0, -1.0], [1.0, float("nan")], [1.0], [1.0, 1.0, 1.0]])
def test_temperatures_that_cannot_be_are_refused_from_python(dial, steerable, lists):
    with pytest.raises(ShapeError, match="dial"):
        library.open_run(steerable, device="cpu").scores(lists / "test.txt", [0.3, 0.7], dial=dial)
