"""A choice of a language model's run: accepted by its name wherever weights are."""

from __future__ import annotations

import json
import shutil

import pytest


@pytest.fixture(scope="module")
def chosen(tuned, tmp_path_factory):
    """A run with the choice `mine`; do not change what is there."""
    from moft.cli.app import main

    run = shutil.copytree(tuned(), tmp_path_factory.mktemp("chosen") / "run")
    words = ["--keep", "calm >= 10% of best", "--maximise", "brief", "--confidence", "0.6", "--name", "mine"]
    assert main(["choose", str(run), *words]) == 0
    return run


def record(run, name="mine"):
    return json.loads((run / "choices" / f"{name}.json").read_text())


def at(kept):
    return ",".join(f"{name}={value!r}" for name, value in kept["weights"].items()), repr(kept["dial"])


def test_prompts_are_answered_at_a_choice(chosen, moft):
    words = ("generate", chosen, "Day 1: ", "--greedy", "--max-new-tokens", "3", "--weights")
    weights, dial = at(record(chosen))
    by_name = moft(*words, "mine")
    assert by_name.code == 0
    assert by_name.out == moft(*words, weights, "--dial", dial).out
    said = moft(*words, "mine", "--dial", "1")
    assert (said.code, len(said.mistakes), "has a dial of its own" in said.mistakes[0]) == (2, 1, True)


def test_lines_of_a_file_name_choices(chosen, moft, tmp_path):
    file = tmp_path / "prompts.jsonl"
    rows = [
        {"prompt": "Day 1: ", "weights": "mine"},
        {"prompt": "Day 1: ", "weights": [0.5, 0.5], "dial": 2},
        {"prompt": "Day 2: "},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = moft("generate", chosen, "--file", file, "--greedy", "--max-new-tokens", "3", "--weights", "mine")
    kept, told = record(chosen), [json.loads(line) for line in said.out.splitlines()]
    assert said.code == 0
    for row in (told[0], told[2]):
        assert list(row["weights"].values() if isinstance(row["weights"], dict) else row["weights"]) == pytest.approx(
            list(kept["weights"].values()), abs=1e-6
        )


MISTAKES = {
    "an unknown choice": ({"weights": "mime"}, "prompts.jsonl:1 'mime': is neither weights"),
    "a choice with a dial": ({"weights": "mine", "dial": 2}, "prompts.jsonl:1 'mine': this choice has a dial of its own"),
    "weights as text": ({"weights": "0.5,0.5"}, "prompts.jsonl:1: weights '0.5,0.5' is text"),
    "a number as text": ({"weights": "1"}, "prompts.jsonl:1: weights '1' is text"),
    "no text": ({"weights": ""}, "prompts.jsonl:1: weights '' is text"),
    "a dial as text": ({"weights": [0.5, 0.5], "dial": "1"}, "prompts.jsonl:1: dial '1' is text"),
}


@pytest.mark.parametrize(("entry", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_file_is_told_with_its_line(entry, told, chosen, moft, tmp_path):
    file = tmp_path / "prompts.jsonl"
    file.write_text(json.dumps({"prompt": "Day 1: ", **entry}) + "\n")
    said = moft("generate", chosen, "--file", file)
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert told in said.mistakes[0]


def test_a_choice_is_exported(chosen, moft, tmp_path):
    run = shutil.copytree(chosen, tmp_path / "run")
    assert moft("choose", run, "--maximise", "brief", "--confidence", "0.6", "--name", "plain", "--dials", "1,1").code == 0
    kept = record(run, "plain")
    weights, dial = at(record(run, "plain"))
    assert dial == "1.0"
    assert moft("export", run, tmp_path / "named", "--weights", "plain").code == 0
    assert moft("export", run, tmp_path / "given", "--weights", weights, "--dial", dial).code == 0
    names = sorted(file.name for file in (tmp_path / "named").iterdir())
    assert names == sorted(["choice.json", *(file.name for file in (tmp_path / "given").iterdir())])
    for name in names:
        if name.endswith(".safetensors"):
            assert (tmp_path / "named" / name).read_bytes() == (tmp_path / "given" / name).read_bytes()
    told = json.loads((tmp_path / "named" / "choice.json").read_text())
    assert told == {"name": "plain", **kept}
    card = (tmp_path / "named" / "README.md").read_text()
    assert "the choice `plain`: no bounds" in card
    assert f"| {kept['test']['outcomes'][0]['value']:.4g} (" in card


def test_a_choice_at_a_dial_that_no_model_has_says_how_to_choose_for_an_export(chosen, moft, tmp_path):
    said = moft("export", chosen, tmp_path / "out", "--weights", "mine")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert said.mistakes[0].endswith("Choose with `moft choose ... --dials 1,1`.")
    assert not (tmp_path / "out").exists()
