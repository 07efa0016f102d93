"""`moft choose`: a choice is kept and used by its name, and what bad input gets."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from moft.run.policy.choices.outcomes import OutcomeMeter

WISH = ("--keep", "main >= 50% of base", "--maximise", "first", "--measurements", "8")


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the finished run, to choose in."""
    return shutil.copytree(finished, tmp_path / "run")


@pytest.fixture
def measured(monkeypatch):
    """What was measured: numbers of tradeoffs."""
    told, call = [], OutcomeMeter.__call__

    def counted(meter, places, *more):
        told.append(len(places))
        return call(meter, places, *more)

    monkeypatch.setattr(OutcomeMeter, "__call__", counted)
    return told


@pytest.fixture(scope="module")
def chosen(finished, tmp_path_factory):
    """A run with the choice `mine`; do not change what is there."""
    from moft.cli.app import main

    run = shutil.copytree(finished, tmp_path_factory.mktemp("chosen") / "run")
    assert main(["choose", str(run), *WISH, "--name", "mine"]) == 0
    return run


def record(run, name="choice-1"):
    return json.loads((run / "choices" / f"{name}.json").read_text())


def test_a_choice_is_told_and_kept(run, moft):
    said = moft("choose", run, *WISH)
    assert said.code == 0
    kept = record(run)
    first = f"Choice choice-1: weights first={kept['weights']['first']:.3f}"
    for part in (first, "All bounds hold on 8 queries of new data with a confidence of", f"{run} DATA --weights choice-1"):
        assert part in said.out
    for name in ("first", "second", "main", "main >= 50% of base"):
        assert any(line.startswith(name) for line in said.out.splitlines())
    assert sum(kept["weights"].values()) == pytest.approx(1)
    assert [each["name"] for each in kept["outcomes"]] == ["first", "second", "main"]
    assert kept["test"]["lists"] == 8


def test_the_same_wish_is_not_measured_again_and_tells_the_same(run, moft, measured):
    first, files = moft("choose", run, *WISH), list((run / "choices").glob("*.json"))
    content = [file.read_bytes() for file in files]
    del measured[:]
    again = moft("choose", run, *WISH)
    assert (again.code, again.out, measured) == (0, first.out, [])
    assert [file.read_bytes() for file in files] == content


def test_chosen_afresh_the_same_wish_has_the_same_bytes(run, moft):
    for _ in range(2):
        assert moft("choose", run, *WISH).code == 0
        content = (run / "choices" / "choice-1.json").read_bytes()
        shutil.rmtree(run / "choices")
    assert moft("choose", run, *WISH).code == 0
    assert (run / "choices" / "choice-1.json").read_bytes() == content


def test_another_wish_has_another_name(run, moft, measured):
    assert moft("choose", run, *WISH).code == 0
    assert "Choice choice-2" in moft("choose", run, "--share", "first=1,second=1").out
    del measured[:]
    said = moft("choose", run, "--maximise", "second", "--name", "choice-1")
    file = run / "choices" / "choice-1.json"
    told = f"moft: error: {file}: already exists, for another wish; choose another --name or remove it."
    assert (said.code, said.mistakes, measured) == (2, [told], [])


def test_the_same_wish_can_have_two_names(run, moft):
    assert moft("choose", run, *WISH, "--name", "a").code == 0
    assert moft("choose", run, *WISH, "--name", "b").code == 0
    assert record(run, "a")["weights"] == record(run, "b")["weights"]


def test_a_choice_stands_for_its_weights_and_its_dial(chosen, lists, moft):
    kept = record(chosen, "mine")
    weights = ",".join(f"{name}={value!r}" for name, value in kept["weights"].items())
    words = ("score", chosen, lists / "test.txt", "--weights")
    by_name = moft(*words, "mine")
    assert by_name.code == 0
    assert by_name.out == moft(*words, weights, "--dial", repr(kept["dial"])).out


def test_a_choice_has_a_dial_of_its_own(chosen, lists, moft):
    said = moft("score", chosen, lists / "test.txt", "--weights", "mine", "--dial", "1")
    dial = record(chosen, "mine")["dial"]
    told = f"moft: error: --weights 'mine': this choice has a dial of its own, {dial:.4g}; leave the dial out."
    assert (said.code, said.mistakes) == (2, [told])


def test_a_name_that_the_run_does_not_have_is_told_with_those_it_has(chosen, finished, lists, moft):
    said = moft("score", chosen, lists / "test.txt", "--weights", "mime")
    told = (
        "moft: error: --weights 'mime': is neither weights, such as 0.5,0.5, nor a choice of the run; its choices are mine. "
        "Did you mean 'mine'?"
    )
    assert (said.code, said.mistakes) == (2, [told])
    said = moft("score", finished, lists / "test.txt", "--weights", "mine")
    assert (said.code, "it has none; `moft choose` makes one" in said.mistakes[0]) == (2, True)


def test_expected_outcomes_are_told_beside_the_scores(chosen, lists, capsys):
    from moft.cli.app import main

    capsys.readouterr()
    for weights in (["mine"], ["0.3,0.7", "--dial", "2"]):
        assert main(["score", str(chosen), str(lists / "test.txt"), "--expect", "--weights", *weights]) == 0
        out, err = capsys.readouterr()
        told = [line for line in err.splitlines() if line.startswith("Expected ")]
        assert [line.split(":")[0] for line in told] == ["Expected first", "Expected second", "Expected main"]
        assert not any(line.startswith("Expected") for line in out.splitlines())


def test_without_measurements_nothing_can_be_expected(finished, lists, moft):
    said = moft("score", finished, lists / "test.txt", "--expect", "--weights", "0.3,0.7")
    told = f"moft: error: {finished}: has no measurements to predict outcomes from; `moft choose` makes them."
    assert (said.code, said.mistakes, said.out) == (2, [told], "")


def test_a_point_of_the_front_is_come_close_to_as_it_is_on_the_validation_split(run, moft, tmp_path):
    for words in (("choose", run, "--like", "2"), ("profile", run, "--split", "validation", "--out", tmp_path / "front")):
        assert moft(*words).code == 0
    point = json.loads((tmp_path / "front" / "front.json").read_text())["points"][1]
    values = f"first={point['values'][0]!r},second={point['values'][1]!r},main={point['main']!r}"
    assert moft("choose", run, "--like", values).code == 0
    near, given = record(run), record(run, "choice-2")
    assert (near["wish"]["like"], near["weights"], near["dial"]) == (2, given["weights"], given["dial"])


def test_a_point_without_a_main_value_is_taken_as_it_is(run, moft):
    front = json.loads((run / "front.json").read_text())
    front["points"][1]["main"] = None
    (run / "front.json").write_text(json.dumps(front))
    assert moft("choose", run, "--like", "2", "--name", "near").code == 0


MISTAKES = {
    "not measured": (("--keep", "mian >= 1", "--maximise", "first"), "'mian' is not measured; measured are first, second, main."),
    "no such goal": (("--maximise", "third"), "maximise: 'third' is not measured"),
    "no goal": (("--keep", "main >= 0.1"), "a wish needs one goal (maximise, share or like) and has none."),
    "two goals": (("--maximise", "first", "--share", "first=1,second=2"), "has maximise and share."),
    "an upper bound": (("--keep", "main <= 1", "--maximise", "first"), "bounds are lower ones"),
    "two bounds": (("--keep", "main >= 1", "--keep", "main >= 99% of base", "--maximise", "first"), "main has two bounds"),
    "confidence 1": ((*WISH, "--confidence", "1"), "confidence 1: must be above 0 and below 1"),
    "confidence 0": ((*WISH, "--confidence", "0"), "confidence 0: must be above 0 and below 1"),
    "confidence 95": ((*WISH, "--confidence", "95"), "confidence 95: must be above 0 and below 1"),
    "too few lists": ((*WISH, "--confidence", "0.999"), "the validation split has 8 queries, too few"),
    "too sure": ((*WISH, "--confidence", "0.9999"), "confidence 0.9999: a thousand samples tell at most 0.999."),
    "no new lists": ((*WISH, "--new-lists", "0"), "new_lists 0: must be"),
    "negative new lists": ((*WISH, "--new-lists", "-5"), "new_lists -5: must be"),
    "one measurement": ((*WISH, "--measurements", "1"), "measurements 1: must be"),
    "a billion measurements": ((*WISH, "--measurements", "1000000000"), "measurements 1000000000: must be"),
    "one dial": ((*WISH, "--dials", "1"), "--dials '1': must be the lowest and the highest dial"),
    "dials in words": ((*WISH, "--dials", "low,high"), "--dials 'low,high': must be"),
    "a dial of zero": ((*WISH, "--dials", "0,1"), "must be the lowest and the highest dial"),
    "dials the wrong way": ((*WISH, "--dials", "2,1"), "must be the lowest and the highest dial"),
    "a share of zero": (("--share", "first=0,second=1"), "share: 0 must be above 0"),
    "one share": (("--share", "first=1"), "needs at least two outcomes"),
    "shares in words": (("--share", "first:1,second:1"), "--share 'first:1,second:1': must be names with numbers"),
    "no such point": (("--like", "4"), "like 4: the front of the run has the points 1 to 3."),
    "half a point": (("--like", "1.5"), "--like 1.5: the number of a point is a whole one."),
    "like in words": (("--like", "first"), "--like 'first': must be names with numbers"),
    "like nothing measured": (("--like", "third=1"), "like: 'third' is not measured"),
    "a name of numbers": ((*WISH, "--name", "0.5"), "name '0.5': has 1 to 100 letters"),
    "a name with a slash": ((*WISH, "--name", "../x"), "name '../x': has 1 to 100 letters"),
    "no name": ((*WISH, "--name", ""), "name '': has 1 to 100 letters"),
    "moft's own name": ((*WISH, "--name", "outcomes"), "name 'outcomes': is that of a file of moft's own"),
    "a huge bound": (("--keep", "main >= 1e999", "--maximise", "first"), "1e999 is too large"),
}


@pytest.mark.parametrize(("words", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_in_one_line_before_anything_is_measured(words, told, run, moft, measured):
    said = moft("choose", run, *words)
    assert (said.code, said.out) == (2, "")
    assert told in " ".join(said.mistakes)
    assert len(said.mistakes) == 1
    assert measured == []
    assert not (run / "choices").exists()


@pytest.mark.parametrize("value", [0.0, -0.25])
@pytest.mark.parametrize("anchor", ["base", "best"])
def test_a_percentage_of_what_is_not_above_zero_is_refused(value, anchor, run, moft, measured):
    front = json.loads((run / "front.json").read_text())
    for entry in (front["base"], *front["points"]):
        entry["values"][1] = value
    with_tensors = run / "lists.safetensors"
    with_tensors.unlink()
    (run / "front.json").write_text(json.dumps(front))
    said = moft("choose", run, "--keep", f"second >= 90% of {anchor}", "--maximise", "first")
    of = "of the base model is" if anchor == "base" else "is at best"
    told = (
        f"moft: error: keep 'second >= 90% of {anchor}': second {of} {value:.4g}, and a percentage needs a value above 0; give "
        f"the bound as a number, such as 'second >= {value:.4g}'."
    )
    assert (said.code, said.mistakes, measured) == (2, [told], [])


def test_a_run_without_validation_data_is_refused(run, moft, measured, monkeypatch):
    from moft.errors import DataError
    from moft_ltr.task import LTR

    batches = LTR.batches

    def without(task, split, *more, **further):
        if split == "validation":
            raise DataError("there is no validation split.")
        return batches(task, split, *more, **further)

    monkeypatch.setattr(LTR, "batches", without)
    said = moft("choose", run, *WISH)
    told = f"moft: error: {run}: has no validation data to choose on: there is no validation split."
    assert (said.code, said.mistakes, measured) == (2, [told], [])


def test_a_run_that_was_not_measured_is_refused(run, moft):
    (run / "front.json").unlink()
    said = moft("choose", run, *WISH)
    assert (said.code, len(said.mistakes), str(run / "front.json") in said.mistakes[0]) == (2, 1, True)


def test_what_is_no_run_is_refused(tmp_path, moft):
    said = moft("choose", tmp_path, *WISH)
    assert (said.code, len(said.mistakes)) == (2, 1)


def test_a_wish_that_nothing_fulfils_is_answered_with_the_nearest(run, moft):
    said = moft("choose", run, "--keep", "main >= 2", "--maximise", "first")
    assert said.code == 0
    assert "The wish cannot be promised with a confidence of 0.95: all bounds hold with 0.000." in said.out
    assert "main >= 2: needs 2, and main reaches" in said.out
    assert not record(run)["is_promised"]


def test_a_file_in_the_place_of_the_folder_is_refused(run, moft):
    (run / "choices").write_text("mine")
    said = moft("choose", run, *WISH)
    assert (said.code, len(said.mistakes), str(run / "choices") in said.mistakes[0]) == (2, 1, True)
    assert (run / "choices").read_text() == "mine"


def test_a_link_in_the_place_of_the_folder_is_not_followed(run, moft, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (run / "choices").symlink_to(tmp_path / "elsewhere")
    said = moft("choose", run, *WISH)
    assert (said.code, len(said.mistakes), "symbolic link" in said.mistakes[0]) == (2, 1, True)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(run, moft, monkeypatch):
    def refuse(*arguments, **further):
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    said = moft("choose", run, *WISH)
    told = f"moft: error: {run / 'choices'}: cannot be made (Read-only file system)."
    assert (said.code, said.mistakes) == (2, [told])


def test_a_full_disk_leaves_no_half_file(run, moft, full_disk, measured):
    full_disk("fsync")
    said = moft("choose", run, *WISH)
    assert (said.code, len(said.mistakes), "No space left" in said.mistakes[0]) == (2, 1, True)
    assert [file.name for file in (run / "choices").iterdir() if file.is_file()] == [".lock"]


def test_a_choice_of_a_read_only_run_is_still_told(chosen, moft, monkeypatch):
    monkeypatch.setattr("moft.run.policy.choices.make_choice.lock_folder", lambda folder: pytest.fail("locked"))
    assert moft("choose", chosen, *WISH).code == 0
    assert moft("choose", chosen, *WISH, "--name", "mine").code == 0


def test_two_processes_do_not_choose_at_once(run, moft):
    from moft.run.folder.run_folder import lock_folder

    (run / "choices").mkdir()
    with lock_folder(run / "choices"):
        said = moft("choose", run, *WISH)
    told = f"moft: error: {run / 'choices'}: another process is writing this run; wait for it to end."
    assert (said.code, said.mistakes) == (2, [told])


def test_a_choice_that_another_process_made_meanwhile_is_not_replaced(run, moft, monkeypatch):
    from moft.run.policy.choices import make_choice

    lock = make_choice.lock_folder

    def after_another(folder):
        monkeypatch.undo()
        assert moft("choose", run, "--maximise", "second", "--name", "mine").code == 0
        return lock(folder)

    monkeypatch.setattr(make_choice, "lock_folder", after_another)
    said = moft("choose", run, *WISH, "--name", "mine")
    assert (said.code, "already exists, for another wish" in said.mistakes[0]) == (2, True)
    assert record(run, "mine")["wish"]["maximise"] == "second"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_works_after_a_choice_was_ended(number, run, moft, lists, warm, tmp_path):
    words = [warm, "-m", "moft", "choose", str(run), *WISH]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 30
        while not (run / "choices" / ".lock").exists() and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.005)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    whole = [json.loads(file.read_text()) for file in (run / "choices").glob("[!.]*.json")]
    assert all("schema" in content for content in whole)
    assert moft("score", run, lists / "test.txt", "--weights", "0.5,0.5").code == 0
    assert moft("choose", run, *WISH).code == 0
    assert moft("score", run, lists / "test.txt", "--weights", "choice-1").code == 0


@pytest.mark.parametrize("content", ["{", '{"schema": 2}', "[]"])
@pytest.mark.parametrize("file", ["mine.json", "outcomes.json"])
def test_a_damaged_file_is_refused_in_one_line(content, file, chosen, tmp_path, lists, moft):
    run = shutil.copytree(chosen, tmp_path / "run")
    (run / "choices" / file).write_text(content)
    score = ("score", run, lists / "test.txt", "--weights")
    words = [(*score, "0.5,0.5", "--expect")] if file == "outcomes.json" else [(*score, "mine"), ("choose", run, *WISH)]
    for each in words:
        said = moft(*each)
        assert (said.code, len(said.mistakes), said.out) == (2, 1, "")
        assert str(run / "choices" / file) in said.mistakes[0]


def test_a_damaged_measured_point_is_measured_again(run, moft, monkeypatch):
    monkeypatch.setattr("moft.run.policy.point_files.QUICK", 0.0)
    first = moft("choose", run, *WISH)
    kept = list((run / "choices" / "measured").glob("*.safetensors"))
    assert kept
    for file in kept:
        file.write_bytes(b"x")
    (run / "choices" / "choice-1.json").unlink()
    assert moft("choose", run, *WISH).out == first.out


def test_a_choice_of_a_longer_name_is_found(run, moft, lists):
    assert moft("choose", run, *WISH, "--name", "v1.2_b-c").code == 0
    assert moft("score", run, lists / "test.txt", "--weights", "v1.2_b-c").code == 0


def test_a_run_without_a_test_split_has_a_choice_that_was_not_measured_there(run, moft, monkeypatch):
    from moft.errors import DataError
    from moft_ltr.task import LTR

    batches = LTR.batches

    def without(task, split, *more, **further):
        if split == "test":
            raise DataError("there is no test split.")
        return batches(task, split, *more, **further)

    monkeypatch.setattr(LTR, "batches", without)
    said = moft("choose", run, *WISH)
    assert (said.code, record(run)["test"], "test, " in said.out) == (0, None, False)
    assert record(run)["new_lists"] == record(run)["lists"]
