"""`moft profile`: a policy measured again, elsewhere."""

from __future__ import annotations

import errno
import json
import shutil
import signal

import pytest

from moft.engine.fronts import kept_points as blocks
from moft.run.policy import point_files
from moft_ltr.metrics.ndcg import NDCG


def front(folder):
    return json.loads((folder / "front.json").read_text())


def test_a_policy_is_measured_on_another_split_and_grid(finished, moft, tmp_path):
    said = moft("profile", finished, "--split", "validation", "--points", "5", "--out", tmp_path / "front")
    assert (said.code, said.mistakes) == (0, [])
    found = front(tmp_path / "front")
    assert (found["split"], len(found["points"])) == ("validation", 5)
    assert sorted(path.name for path in (tmp_path / "front").iterdir()) == [
        "front.csv",
        "front.json",
        "front.png",
        "lists.safetensors",
        "report.html",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["front"]


def test_measured_again_as_it_was_it_gives_the_same_points(finished, moft, tmp_path):
    assert moft("profile", finished, "--out", tmp_path / "front").code == 0
    assert front(tmp_path / "front")["points"] == front(finished)["points"]
    assert front(tmp_path / "front")["hypervolume"] == front(finished)["hypervolume"]


def test_far_above_the_trained_temperatures_lies_the_base_model(finished, moft, tmp_path):
    assert moft("profile", finished, "--dial", "1e6", "--out", tmp_path / "front").code == 0
    found = front(tmp_path / "front")
    assert found["notes"][-1] == "Measured at a dial of 1e+06."
    assert all(point["betas"] == [1e6, 0.5e6] for point in found["points"])
    assert all(point["values"] == pytest.approx(found["base"]["values"], abs=1e-6) for point in found["points"])


def test_the_points_of_several_dials_are_one_front(finished, moft, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    said = moft("profile", tmp_path / "run", "--dial", "4", "--dial", "0.5", "--dial", "1")
    assert (said.code, said.mistakes) == (0, [])
    target = tmp_path / "run" / "profiles" / "test-3-dials-0.5-1-4"
    found, trained = front(target), front(finished)
    assert [point["dial"] for point in found["points"]] == [0.5] * 3 + [1.0] * 3 + [4.0] * 3
    assert [point["values"] for point in found["points"][3:6]] == [point["values"] for point in trained["points"]]
    assert found["points"][7]["betas"] == [4.0, 2.0]
    assert found["notes"][-1] == "Measured at dials of 0.5, 1 and 4."
    assert found["hypervolume"]["value"] >= trained["hypervolume"]["value"]
    assert "data-dial" in (target / "report.html").read_text()
    assert [line.split()[0] for line in said.out.splitlines()[1:11]].count("base") == 1
    assert moft("compare", finished, tmp_path / "run", "--out", tmp_path / "compared").code == 0


def test_a_profile_lists_the_choices_of_its_run_but_not_beside_other_metrics(finished, moft, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    said = moft("choose", run, "--keep", "main >= 50% of base", "--maximise", "first", "--confidence", "0.6", "--name", "mine")
    assert (said.code, said.mistakes) == (0, [])
    assert f"Picture: {run / 'choices' / 'mine.png'}" in said.out.splitlines()
    assert (run / "choices" / "mine.png").read_bytes().startswith(b"\x89PNG")
    assert moft("profile", run, "--points", "2").code == 0
    assert moft("profile", run, "--points", "2", "--metric", "first=ndcg@1").code == 0
    pages = [run / "report.html", run / "profiles" / "test-2" / "report.html", *run.glob("profiles/test-2-*/report.html")]
    assert ["keep main &gt;= 50% of base; maximise first" in page.read_text() for page in pages] == [False, True, False]
    (run / "choices" / "mine.json").write_text("{")
    said = moft("profile", run, "--points", "3")
    assert (said.code, len(said.mistakes)) == (0, 1)
    assert said.mistakes[0].startswith("moft: note: no choice is marked: ")
    assert "mine.json" in said.mistakes[0]


def test_given_weights_are_measured_in_place_of_a_grid(finished, moft, tmp_path):
    said = moft("profile", finished, "--weights", "0.25,0.75", "--weights", "first=1", "--dial", "2", "--out", tmp_path / "front")
    assert (said.code, said.mistakes) == (0, [])
    found = front(tmp_path / "front")
    assert [point["weights"] for point in found["points"]] == [[0.25, 0.75], [1.0, 0.0]]
    assert (found["edges"], [point["dial"] for point in found["points"]]) == ([], [2.0, 2.0])
    grid = front(finished)["points"]
    again = moft("profile", finished, "--weights", "first=1", "--out", tmp_path / "again")
    assert again.code == 0
    (vertex,) = (point for point in grid if point["weights"] == [1.0, 0.0])
    assert front(tmp_path / "again")["points"][0]["values"] == pytest.approx(vertex["values"], abs=1e-6)


def test_a_choice_is_measured_by_its_name(finished, moft, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    assert moft("choose", run, "--maximise", "first", "--name", "mine").code == 0
    said = moft("profile", run, "--weights", "mine", "--split", "test", "--out", tmp_path / "front")
    assert (said.code, said.mistakes) == (0, [])
    (point,) = front(tmp_path / "front")["points"]
    kept = json.loads((run / "choices" / "mine.json").read_text())
    assert point["dial"] == pytest.approx(kept["dial"], rel=1e-6)
    assert point["values"] == pytest.approx([each["value"] for each in kept["test"]["outcomes"][:2]], abs=1e-6)


def test_a_run_and_its_profiles_are_measured_at_the_dials_of_its_config(config, finished, moft, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    assert moft("train", config, "--out", run, "--resume", "--set", "profile.dials=[2, 1]").code == 0
    assert [point["dial"] for point in front(run)["points"]] == [1.0] * 3 + [2.0] * 3
    assert moft("profile", run, "--points", "2").code == 0
    assert [point["dial"] for point in front(run / "profiles" / "test-2-dials-1-2")["points"]] == [1.0, 1.0, 2.0, 2.0]
    assert moft("profile", run, "--points", "2", "--dial", "1").code == 0
    assert [point["dial"] for point in front(run / "profiles" / "test-2")["points"]] == [1.0, 1.0]


def test_a_front_without_dials_is_that_of_a_run_of_0_2_0(finished, moft, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    old = front(finished)
    for point in old["points"]:
        del point["dial"]
    (tmp_path / "run" / "front.json").write_text(json.dumps(old))
    assert moft("compare", finished, tmp_path / "run", "--out", tmp_path / "compared").code == 0
    assert moft("profile", tmp_path / "run", "--out", tmp_path / "front").code == 0


def test_a_profile_of_several_dials_that_is_interrupted_goes_on(finished, moft, tmp_path, monkeypatch):
    monkeypatch.setattr(point_files, "QUICK", 0.0)
    monkeypatch.setattr(blocks, "_points_of_a_pass", lambda lists: 1)
    measured, whole = [], NDCG.__call__

    def measure(self, steered, batches):
        if len(measured) == 5:  # three at the first dial, and two at the second
            signal.raise_signal(signal.SIGTERM)
        measured.append(steered.tradeoff)
        return whole(self, steered, batches)

    monkeypatch.setattr(NDCG, "__call__", measure)
    words = ("profile", finished, "--dial", "0.5", "--dial", "2", "--out", tmp_path / "front")
    assert moft(*words).code == 143
    assert len(list((tmp_path / "front.partial").glob("*.safetensors"))) == 5
    monkeypatch.setattr(NDCG, "__call__", lambda *content: measured.append(1) or whole(*content))
    assert moft(*words).code == 0
    assert len(measured) == 7  # the last of the second dial, and the base model
    assert moft(*words[:-1], tmp_path / "whole").code == 0
    assert front(tmp_path / "front")["points"] == front(tmp_path / "whole")["points"]
    assert not (tmp_path / "front.partial").exists()


def test_profiles_stand_in_the_run_by_default(finished, moft, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    assert moft("profile", tmp_path / "run", "--points", "2").code == 0
    assert len(front(tmp_path / "run" / "profiles" / "test-2")["points"]) == 2


MISTAKES = {
    "an unknown split": (("--split", "tset"), "--split 'tset': splits are train, validation, test."),
    "no points": (("--points", "0"), "--points 0: must be at least 1 and at most 10,000."),
    "too many points": (("--points", "100000000"), "--points 100000000: must be at least 1 and at most 10,000."),
    "points and weights": (("--points", "3", "--weights", "0.5,0.5"), "takes either --points or --weights, not both"),
    "an unknown choice": (("--weights", "safe"), "--weights 'safe': is neither weights"),
    "too few points": (("--points", "1"), "needs at least 2 points"),
    "a dial of zero": (("--dial", "0"), "--dial 0: must be above 0"),
    "dials in one word": (("--dial", "0.5,1,2"), "For several dials, give each by itself: --dial 0.5 --dial 1 --dial 2."),
    "a dial twice": (("--dial", "2", "--dial", "2,2"), "--dial 2: is given twice; give each dial once."),
    "too many points of all": (
        ("--points", "10000", "--dial", "2", "--dial", "3"),
        "10,000 points at each of 2 dials are 20,000, and a front has at most 10,000",
    ),
    "an infinite dial": (("--dial", "inf"), "--dial 'inf': 'inf' is not a number"),
}


@pytest.mark.parametrize(("words", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_in_one_line(words, told, finished, moft, tmp_path):
    said = moft("profile", finished, *words, "--out", tmp_path / "front")
    assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)
    assert told in said.mistakes[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_there_is_left_alone(kind, finished, moft, tmp_path):
    target = tmp_path / "front"
    mine = target if kind == "file" else target / "file"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    said = moft("profile", finished, "--out", target)
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert f"{target}: already exists; choose another --out or remove it." in said.mistakes[0]
    assert mine.read_text() == "mine"


def test_an_empty_folder_is_filled(finished, moft, tmp_path):
    assert moft("profile", finished, "--points", "3", "--out", tmp_path).code == 0
    assert (tmp_path / "front.json").is_file()


def test_a_run_that_cannot_be_written_is_measured_elsewhere(finished, moft, tmp_path, monkeypatch):
    def refuse(folder, *args, **kwargs):
        if folder.is_relative_to(finished):
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return plain(folder, *args, **kwargs)

    plain = type(tmp_path).mkdir
    monkeypatch.setattr(type(tmp_path), "mkdir", refuse)
    said = moft("profile", finished)
    target = finished / "profiles" / "test-3"
    told = f"moft: error: {target}: cannot be written (Permission denied); choose another folder with --out."
    assert (said.code, said.mistakes) == (2, [told])
    assert moft("profile", finished, "--out", tmp_path / "front").code == 0


def test_a_policy_that_is_not_measured_yet_is_profiled(finished, moft, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / "front.json").unlink()
    assert moft("profile", tmp_path / "run", "--out", tmp_path / "front").code == 0
    assert front(tmp_path / "front")["cost"] == front(finished)["cost"]
    assert front(tmp_path / "front")["points"] == front(finished)["points"]


def test_a_run_of_0_2_0_without_its_results_is_told(finished, moft, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / "front.json").unlink()
    (tmp_path / "run" / "policy" / "record.json").unlink()
    said = moft("profile", tmp_path / "run", "--out", tmp_path / "front")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert "front.json: is missing; the run is not complete" in said.mistakes[0]
    assert not (tmp_path / "front").exists()


@pytest.mark.parametrize("content", ["[]", "{}", '{"cost": {"jobs": 1}}'])
def test_a_front_that_does_not_say_what_the_run_cost_is_damaged(content, finished, moft, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / "front.json").write_text(content)
    said = moft("profile", tmp_path / "run", "--points", "2")
    found = {"[]": "it holds no fields", "{}": "it lacks 'cost'"}.get(content, "it lacks 'cost.seconds'")
    again = "`moft train ... --resume` measures the run again, and `moft profile` writes a profile again."
    assert said.code == 2
    assert said.mistakes == [f"moft: error: {tmp_path / 'run' / 'front.json'}: is damaged; {found}. {again}"]
    assert not (tmp_path / "run" / "profiles").exists()


def test_a_profile_that_is_interrupted_keeps_its_points_and_goes_on(finished, moft, tmp_path, monkeypatch):
    monkeypatch.setattr(point_files, "QUICK", 0.0)
    monkeypatch.setattr(blocks, "_points_of_a_pass", lambda lists: 1)
    measured, whole = [], NDCG.__call__

    def measure(self, steered, batches):
        if len(measured) == 2:
            signal.raise_signal(signal.SIGTERM)
        measured.append(steered.tradeoff)
        return whole(self, steered, batches)

    monkeypatch.setattr(NDCG, "__call__", measure)
    words = ("profile", finished, "--points", "4", "--out", tmp_path / "front")
    said = moft(*words)
    told = f"{tmp_path / 'front.partial'} keeps the measured points. Go on with: moft {' '.join(map(str, words))}"
    assert (said.code, said.mistakes) == (143, [f"moft: interrupted by SIGTERM. {told}"])
    monkeypatch.setattr(NDCG, "__call__", whole)
    assert moft(*words).code == 0
    assert moft(*words[:-1], tmp_path / "whole").code == 0
    assert front(tmp_path / "front")["points"] == front(tmp_path / "whole")["points"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["front", "whole"]


def test_a_policy_is_measured_by_other_metrics(finished, moft, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    words = ("--metric", "first=value@2", "--metric", "first=mean-value@3", "--metric", "main=err(top=9)@4")
    said = moft("profile", tmp_path / "run", *words)
    assert (said.code, said.mistakes) == (0, [])
    assert "first mean-value@3" in said.out
    target = tmp_path / "run" / "profiles" / "test-3-first=value@2-first=mean-value@3-main=err-top=9-@4"
    found, before = front(target), front(finished)
    assert found["metric"].startswith(
        "value@2/ndcg@10: first value@2 (sum of the label as in the data over the top k), and beside it "
    )
    assert [point["values"][1] for point in found["points"]] == [point["values"][1] for point in before["points"]]
    assert all(point["values"][0] != other["values"][0] for point, other in zip(found["points"], before["points"], strict=True))
    assert all(set(point["more"]) == {"first mean-value@3"} for point in [*found["points"], found["base"]])
    assert ",first mean-value@3" in (target / "front.csv").read_text().splitlines()[0]
    assert "first mean-value@3" in (target / "report.html").read_text().replace("<wbr>", "")


METRIC_MISTAKES = {
    "no metric": ("first", "--metric 'first': must be an objective and a metric, such as first=ndcg@5."),
    "no such objective": ("frist=mrr", "there is no objective 'frist'; there are first, second, main. Did you mean 'first'?"),
    "no such metric": ("first=nugget@5", "metric 'nugget@5' of 'first': no such metric; there are ndcg, mrr"),
    "labels that do not fit": ("main=err(top=1)@4", "err(top=1)@4 of 'main': document"),
}


@pytest.mark.parametrize(("metric", "told"), METRIC_MISTAKES.values(), ids=METRIC_MISTAKES)
def test_a_metric_that_does_not_fit_is_told_in_one_line(metric, told, finished, moft, tmp_path):
    said = moft("profile", finished, "--metric", metric, "--out", tmp_path / "front")
    assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)
    assert told in said.mistakes[0]
    assert list(tmp_path.iterdir()) == []
