"""`moft generate`: prompts with weights of their own, from the command line and from files."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import sys
from pathlib import Path

import pytest
import torch

import moft
from moft.cli.app import main
from moft.hooks.plugin_manager import Plugins
from moft.run.run_config import read_settings
from moft.run.train import train_run
from moft_llm.data.chat.chat_template import Template
from moft_llm.generation.decoding import Decoding
from moft_llm.generation.generate import generate
from moft_llm.generation.opened_llm_run import APPROXIMATE, LLMRun
from moft_ltr.data.example_data.synthetic import Synthetic, make_synthetic

pytestmark = pytest.mark.slow  # a run is trained

RANKER = """\
task:
  name: ltr
  data: {lists}
  objectives:
    first: {{column: objective-1}}
    second: {{column: objective-2}}
  base: {{epochs: 1}}
  width: 8
  layers: 1
method: cos-dpo
trainer: {{epochs: 1, device: cpu}}
profile: {{evaluator: ndcg, points: 3, bootstrap_samples: 100}}
"""
WORDS = ["--max-new-tokens", "6"]


@pytest.fixture
def run(tuned, capsys):
    """The folder of a steered run; what making it printed is gone."""
    path = tuned()
    capsys.readouterr()
    return str(path)


def written(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def records(text):
    return [json.loads(line) for line in text.splitlines()]


def test_one_prompt_is_answered_in_plain_text(run, capsys):
    assert main(["generate", run, "Day 3: ", "--weights", "0.2,0.8", *WORDS]) == 0
    first = capsys.readouterr()
    assert first.out.endswith("\n")
    assert first.err == ""
    main(["generate", run, "Day 3: ", "--weights", "calm=0.8,brief=0.2", *WORDS])
    assert capsys.readouterr().out == first.out
    main(["generate", run, "Day 3: ", "--weights", "0.2,0.8", "--seed", "1", *WORDS])
    assert capsys.readouterr().out != first.out


def test_what_is_written_is_what_the_policy_generates(run, capsys):
    assert main(["generate", run, "Day 3: ", "--weights", "0.2,0.8", "--greedy", *WORDS]) == 0
    opened = moft.open_run(run, device="cpu")
    tokenizer = opened.task.prompt_template().tokenizer
    with torch.no_grad():
        assignments = opened.policy.assignments(opened.tradeoff("0.2,0.8"))
    ids = opened.task.prompt_template().tokenize(["Day 3: "])
    (found,) = generate(assignments, ids, Decoding(max_new_tokens=6, greedy=True))
    assert capsys.readouterr().out == tokenizer.decode(found, skip_special_tokens=True) + "\n"


def test_several_prompts_are_answered_in_lines_of_json(run, capsys):
    assert main(["generate", run, "Day 3: ", "Day 4: ", "--weights", "0.2,0.8", "--greedy", *WORDS]) == 0
    found = records(capsys.readouterr().out)
    assert [record["prompt"] for record in found] == ["Day 3: ", "Day 4: "]
    assert all(record["weights"] == {"brief": 0.2, "calm": 0.8} and record["dial"] == 1.0 for record in found)


def test_every_line_of_a_file_has_a_tradeoff_of_its_own(run, tmp_path, capsys):
    rows = [
        {"prompt": "Day 1: ", "weights": [1, 0]},
        {"prompt": "A longer one, day 2: ", "weights": {"calm": 1}, "dial": 2},
        {"prompt": "Day 3: ", "dial": 0.5},
        {"prompt": [{"role": "user", "content": "Day 4: "}], "weights": [0.5, 0.5]},
    ]
    path, out = written(tmp_path / "prompts.jsonl", *rows), tmp_path / "out.jsonl"
    asked = ["generate", run, "--weights", "0.3,0.7", "--greedy", *WORDS]
    assert main([*asked, "--file", path, "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == f"moft: note: {APPROXIMATE}\n"
    found = records(out.read_text(encoding="utf-8"))
    assert [record["weights"]["brief"] for record in found] == [1.0, 0.0, 0.3, 0.5]
    assert [record["dial"] for record in found] == [1.0, 2.0, 0.5, 1.0]
    assert [record["prompt"] for record in found] == [row["prompt"] for row in rows]
    for row, record in zip(rows, found, strict=True):  # mixed in a batch, each is as it is alone
        prompt = row["prompt"] if isinstance(row["prompt"], str) else row["prompt"][0]["content"]
        weights = ",".join(str(value) for value in record["weights"].values())
        alone = ["generate", run, prompt, "--weights", weights, "--dial", str(record["dial"]), "--greedy", *WORDS]
        assert main(alone) == 0
        assert capsys.readouterr().out == record["response"] + "\n"


def test_a_temperature_other_than_the_trained_one_is_said_to_be_approximate(run, capsys):
    assert main(["generate", run, "Day 3: ", "--weights", "0.2,0.8", "--dial", "3", *WORDS]) == 0
    assert capsys.readouterr().err == f"moft: note: {APPROXIMATE}\n"


def test_on_a_terminal_one_prompt_is_streamed(run, capsys, monkeypatch):
    asked = ["generate", run, "Day 3: ", "--weights", "0.2,0.8", "--greedy", *WORDS]
    main(asked)
    whole = capsys.readouterr().out
    parts = []
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    write = sys.stdout.write
    monkeypatch.setattr(sys.stdout, "write", lambda text: parts.append(text) or write(text))
    assert main(asked) == 0
    assert capsys.readouterr().out.split() == whole.split()
    assert len([part for part in parts if part.strip()]) > 1 or len(whole.split()) < 2


def test_a_response_begins_with_the_block_that_its_prompt_opens(run, capsys, monkeypatch):
    """Such as `<think>` under the chat template of DeepSeek-R1; streamed or not."""
    asked = ["generate", run, "Day 3: ", "--weights", "0.2,0.8", "--greedy", *WORDS]
    main(asked)
    plain = capsys.readouterr().out
    monkeypatch.setattr(Template, "opening", "<think>\n")
    for is_terminal in (False, True):
        monkeypatch.setattr(sys.stdout, "isatty", lambda is_terminal=is_terminal: is_terminal, raising=False)
        assert main(asked) == 0
        assert capsys.readouterr().out.split() == ["<think>", *plain.split()]
    assert main([*asked, "Day 4: "]) == 0
    assert [row["response"][:8] for row in records(capsys.readouterr().out)] == ["<think>\n"] * 2


def test_weights_off_the_grid_are_told(tuned, capsys):
    path = tuned("{name: dpo-ls, points: 3}")
    capsys.readouterr()
    assert main(["generate", str(path), "Day 3: ", "--weights", "0.33,0.67", *WORDS]) == 0
    assert capsys.readouterr().err.startswith("moft: note: Weights brief=0.33, calm=0.67: no model was trained for these;")


@pytest.mark.parametrize("method", ["{name: dpo-soup}", "{name: cos-dpo, conditioner: hpt, betas: dirichlet}"])
def test_other_methods_generate_as_well(method, tuned, tmp_path, capsys):
    path = tuned(method, prompt_tokens=2)
    capsys.readouterr()
    rows = [{"prompt": f"Day {number}: ", "weights": [number / 4, 1 - number / 4]} for number in range(5)]
    asked = ["generate", str(path), "--file", written(tmp_path / "p.jsonl", *rows), "--greedy", *WORDS]
    assert main(asked) == 0
    assert len(records(capsys.readouterr().out)) == 5


MISTAKES = [
    ({"prompt": "x", "weights": [1, 0], "dial": [1, 3]}, "{path}:2: betas [0.1, 0.3] are not a multiple of the"),
    ({"prompt": "x"}, "{path}:2: has no weights; add them, or give --weights for all lines without."),
    ({"prompt": "x", "weights": [1]}, "{path}:2: weights [1] must be 2 numbers, one for each of brief, calm."),
    ({"prompt": "x", "weights": [0.5, 0.2]}, "{path}:2: weights must sum to 1"),
    (
        {"prompt": "x", "weights": "0.5,0.5"},
        "{path}:2: weights '0.5,0.5' is text; give numbers, in a list or by objective, or the name of a choice.",
    ),
    ({"prompt": "x", "weights": {"brave": 1}}, "{path}:2: weights: 'brave' is not an objective."),
    ({"prompt": "x", "weights": [1, 0], "dial": 0}, "{path}:2: dial 0 must be between"),
    ({"prompt": "", "weights": [1, 0]}, "{path}:2: the prompt has no tokens; give at least one."),
    ({"text": "x"}, "{path}:2: has no 'prompt'; a line is"),
    ({"prompt": "x", "weight": [1, 0]}, "{path}:2: unknown field 'weight'; a line is"),
    (
        {"prompt": "x" * 600, "weights": [1, 0]},
        "{path}:2: 600 prompt tokens, 8 prefix tokens and 6 new tokens exceed the model's context",
    ),
]


@pytest.mark.parametrize(("row", "told"), MISTAKES)
def test_a_mistake_in_a_file_names_its_line_and_writes_nothing(row, told, run, tmp_path, capsys):
    path, out = written(tmp_path / "p.jsonl", {"prompt": "Day 1: ", "weights": [1, 0]}, row), tmp_path / "out.jsonl"
    assert main(["generate", run, "--file", path, "--out", str(out), *WORDS]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"moft: error: {told.format(path=path)}")
    assert error.count("\n") == 1
    assert not out.exists()


def test_a_file_that_is_there_is_not_written_over(run, tmp_path, capsys):
    path, out = written(tmp_path / "p.jsonl", {"prompt": "Day 1: ", "weights": [1, 0]}), tmp_path / "out.jsonl"
    out.write_text("mine")
    assert main(["generate", run, "--file", path, "--out", str(out), *WORDS]) == 2
    assert capsys.readouterr().err == f"moft: error: {out}: already exists. Choose another path or remove it.\n"
    assert out.read_text() == "mine"


def test_a_line_that_is_no_json_is_told(run, tmp_path, capsys):
    path = tmp_path / "p.jsonl"
    path.write_text("Once upon a time\n")
    assert main(["generate", run, "--file", str(path)]) == 2
    assert f"{path}:1: 'Once upon a time' is not JSON" in capsys.readouterr().err
    path.write_text("\n")
    assert main(["generate", run, "--file", str(path)]) == 2
    assert f"{path}: the file has no prompts" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "moft generate needs either prompts or --file, not both."),
        (["Hi", "--file", "p.jsonl"], "moft generate needs either prompts or --file, not both."),
        (["Hi"], "moft generate needs --weights, such as --weights 0.5,0.5."),
        (["Hi", "--weights", "1"], "--weights '1': 1 values for 2 objectives: brief, calm."),
        (
            ["Hi", "--weights", "1,0", "--greedy", "--top-p", "1"],
            "--top-p has no effect with --greedy, which takes the most likely token. Leave one of the two out.",
        ),
        (["Hi", "--weights", "1,0", "--top-k", "5", "--greedy"], "--top-k has no effect with --greedy"),
        (
            ["Hi", "--weights", "1,0", "--sampling-temperature", "0.5", "--greedy"],
            "--sampling-temperature has no effect with --greedy",
        ),
        (["Hi", "--weights", "1,0", "--top-p", "0"], "--top-p 0 must be above 0 and at most 1."),
        (
            ["Hi", "--weights", "1,0", "--sampling-temperature", "0"],
            "--sampling-temperature 0 must be above 0. For the most likely token, use --greedy.",
        ),
        (["--file", "gone.jsonl"], "gone.jsonl: cannot be read"),
        (
            ["Hi", "a\udcff", "--weights", "1,0"],
            r"the argument 'a\udcff' is not UTF-8 text.",
        ),
        (
            ["Hi", "--weights", "1,0", "--dial", "1,3"],
            "prompt 1: betas [0.1, 0.3] are not a multiple of the trained",
        ),
    ],
)
def test_a_mistake_on_the_command_line_is_told_in_one_line(words, told, run, capsys):
    assert main(["generate", run, *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"moft: error: {told}")
    assert error.count("\n") == 1


def test_a_run_of_another_task_is_refused_in_one_line(tmp_path, capsys):
    make_synthetic(tmp_path / "lists", Synthetic(lists=30, items=8, features=8))
    config = tmp_path / "ranker.yaml"
    config.write_text(RANKER.format(lists=tmp_path / "lists"), encoding="utf-8")
    plugins = Plugins()
    plugins.load(disable=["console"])
    train_run(read_settings(config, [], plugins), tmp_path / "run", plugins)
    capsys.readouterr()
    assert main(["generate", str(tmp_path / "run"), "Hi", "--weights", "0.5,0.5"]) == 2
    told = "a run of the task 'ltr'; moft generate works with runs of the task 'llm' only."
    assert capsys.readouterr().err == f"moft: error: {tmp_path / 'run'}: {told}\n"


@pytest.fixture
def of_relative_model(tuned, tiny_models, tmp_path, monkeypatch):
    """The folder of a run as one of `model`, a relative folder, that began in `begun`; the working folder is another one."""
    (tmp_path / "begun").mkdir()
    (tmp_path / "elsewhere").mkdir()
    shutil.copytree(tiny_models(), tmp_path / "begun" / "tiny")
    monkeypatch.chdir(tmp_path / "elsewhere")

    def made(model):
        run = shutil.copytree(tuned(), tmp_path / "run")
        versions = json.loads((run / "versions.json").read_text())
        assert Path(versions["folder"]).is_dir()
        (run / "versions.json").write_text(json.dumps({**versions, "folder": str(tmp_path / "begun")}))
        config = (run / "config.yaml").read_text()
        assert str(tiny_models()) in config
        (run / "config.yaml").write_text(config.replace(str(tiny_models()), model))
        return run

    return made


@pytest.mark.parametrize("model", ["./tiny", "tiny"])
def test_a_run_of_a_relative_model_generates_from_any_working_folder(model, of_relative_model, capsys):
    run = of_relative_model(model)
    capsys.readouterr()
    assert main(["generate", str(run), "Hi", "--weights", "1,0", *WORDS]) == 0
    assert capsys.readouterr().err == ""


def test_a_run_that_was_moved_with_its_model_finds_it_from_the_working_folder(of_relative_model, tmp_path, monkeypatch):
    run = of_relative_model("./tiny")
    shutil.move(tmp_path / "begun", tmp_path / "moved")
    monkeypatch.chdir(tmp_path / "moved")
    assert main(["generate", str(run), "Hi", "--weights", "1,0", *WORDS]) == 0


def test_a_run_that_does_not_say_where_it_began_looks_in_the_working_folder(of_relative_model, tmp_path, monkeypatch):
    run = of_relative_model("./tiny")
    (run / "versions.json").unlink()
    monkeypatch.chdir(tmp_path / "begun")
    assert main(["generate", str(run), "Hi", "--weights", "1,0", *WORDS]) == 0


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f'{{"prompt": "Hi", "weights": [{10**400}, 0]}}', "weights must be finite and not negative"),
        (f'{{"prompt": "Hi", "weights": [1, 0], "dial": {10**400}}}', "dial inf must be between"),
    ],
)
def test_a_number_that_no_float_holds_is_told_with_its_line(line, told, run, tmp_path, capsys):
    path = tmp_path / "p.jsonl"
    path.write_text(f"{line}\n")
    assert main(["generate", run, "--file", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"moft: error: {path}:1: {told}")
    assert error.count("\n") == 1


def test_an_interrupted_generation_writes_nothing_and_says_how_to_go_on(run, tmp_path, capsys, monkeypatch):
    def responses(*arguments):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(LLMRun, "responses", responses)
    words = ["generate", run, "Day 3: ", "--weights", "0.2,0.8", "--out", str(tmp_path / "out.jsonl")]
    assert main(words) == 143
    told = f"moft: interrupted by SIGTERM. Nothing was written yet. Go on with: {shlex.join(['moft', *words])}"
    assert capsys.readouterr().err.splitlines()[-1] == told
    assert list(tmp_path.iterdir()) == []


def test_a_response_ends_before_a_text_that_stops_it(run, capsys, monkeypatch):
    """On a terminal as elsewhere."""
    asked = ["generate", run, "Day 3: ", "--weights", "0.2,0.8", "--greedy", "--max-new-tokens", "12"]
    main(asked)
    whole = capsys.readouterr().out.removesuffix("\n")
    stop = whole[3:5]
    for is_terminal in (False, True):
        monkeypatch.setattr(sys.stdout, "isatty", lambda is_terminal=is_terminal: is_terminal, raising=False)
        assert main([*asked, "--stop", "never", "--stop", stop]) == 0
        assert capsys.readouterr().out == whole.split(stop)[0] + "\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--stop", ""], "--stop '' has 0 characters; a text that ends a response has 1 to 200."),
        (["--stop", "x"] * 17, "--stop is given 17 times; 16 texts can end a response."),
        (["--samples", "2", "--greedy"], "--samples 2: greedy responses to a prompt would be identical."),
        (["--typical-p", "0"], "--typical-p 0 must be above 0 and at most 1."),
        (["--eta-cutoff", "1"], "--eta-cutoff 1 must be at least 0 and below 1."),
        (["--min-new-tokens", "70"], "min_new_tokens: 70 must be at most max_new_tokens, 64."),
        (["--repetition-penalty", "0"], "Invalid value for '--repetition-penalty'"),
        (["--greedy", "--min-p", "0.5"], "--min-p has no effect with --greedy"),
    ],
)
def test_a_wrong_setting_of_a_text_is_told_in_one_line(words, told, run, capsys):
    assert main(["generate", run, "Hi", "--weights", "1,0", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"moft: error: {told}")
    assert error.count("\n") == 1
