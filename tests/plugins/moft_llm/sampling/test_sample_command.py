"""`moft data sample`: responses of a model, labelled by scorers, in the form that training reads."""

from __future__ import annotations

import json
import math

import pytest
import torch

from moft import DataError
from moft.cli.app import main
from moft_llm.data.readers.list_readers import Lists
from moft_llm.generation.decoding import Decoding
from moft_llm.sampling import sample_responses as module
from moft_llm.sampling.generated_prompts import Openings
from moft_llm.sampling.interrupted_sampling import PartialFile
from moft_llm.sampling.sample_responses import SamplingRequest, sample_responses

SHORT = ["--scorer", "short={name: length, aim: shorter}"]


class Letters:
    """Minus the letters of a response; remembers what it was asked."""

    meaning = "minus the letters of the response"

    def __init__(self):
        self.asked = []

    def __call__(self, prompts, responses):
        self.asked += zip(prompts, responses, strict=True)
        return -torch.tensor([float(len(response)) for response in responses])


def wanted(folder, prompts, *, responses=3, seed=0, template="none", **decoding):
    return SamplingRequest(
        str(folder), None, prompts, template, responses, Decoding(**{"max_new_tokens": 8, "batch": 5} | decoding), seed
    )


def prompts_in(folder, *texts):
    path = folder / "prompts.txt"
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def quiet(text):
    pass


def fresh(folder):
    """A file that is not there yet."""
    return folder / f"{len(list(folder.iterdir()))}.partial"


def test_lists_are_in_the_form_that_training_reads(tiny_models, tmp_path):
    scorer, prompts = Letters(), prompts_in(tmp_path, "One", "Two", "", "Three")
    found = sample_responses(
        wanted(tiny_models(), prompts),
        {"brief": scorer, "long": lambda p, r: -Letters()(p, r)},
        on_progress=quiet,
        partial=fresh(tmp_path),
    )
    (tmp_path / "lists.jsonl").write_text(found.lines, encoding="utf-8")
    examples = list(Lists(str(tmp_path / "lists.jsonl")).examples())
    assert [example.prompt for example in examples] == ["One", "Two", "Three"]
    for example in examples:
        assert len(set(example.responses)) == len(example.responses) >= 2
        assert example.labels["brief"] == tuple(-float(len(response)) for response in example.responses)
        assert example.labels["long"] == tuple(float(len(response)) for response in example.responses)
    assert set(scorer.asked) == {(example.prompt, response) for example in examples for response in example.responses}
    assert found.summary.startswith("3 prompts with 9 responses. Mean scores: brief -")


def test_the_same_seed_gives_the_same_lists_however_they_are_batched(tiny_models, tmp_path):
    prompts = prompts_in(tmp_path, "One", "Twenty-two", "Three")
    first, again, other = (
        sample_responses(
            wanted(tiny_models(), prompts, **changes), {"brief": Letters()}, on_progress=quiet, partial=fresh(tmp_path)
        ).lines
        for changes in ({}, {"batch": 2}, {"seed": 1})
    )
    assert first == again
    assert first != other


def test_lists_of_identical_responses_are_left_out_and_counted(tiny_models, tmp_path):
    prompts = prompts_in(tmp_path, "One", "Two")
    with pytest.raises(DataError, match="no prompt has two different responses"):
        sample_responses(
            wanted(tiny_models(), prompts, top_k=1), {"brief": Letters()}, on_progress=quiet, partial=fresh(tmp_path)
        )
    found = sample_responses(
        wanted(tiny_models(), prompts, max_new_tokens=1, top_k=2, responses=6),
        {"brief": Letters()},
        on_progress=quiet,
        partial=fresh(tmp_path),
    )
    kept = [json.loads(line)["responses"] for line in found.lines.splitlines()]
    assert all(len(responses) == 2 for responses in kept)
    left = 12 - sum(map(len, kept))
    assert f"Left out: {left} empty or repeated responses, {2 - len(kept)} prompts" in found.summary


def test_openings_are_what_the_model_itself_begins_with(tiny_models, tmp_path):
    said = []
    found = sample_responses(
        wanted(tiny_models(), Openings(6, 4)), {"brief": Letters()}, on_progress=said.append, partial=fresh(tmp_path)
    )
    prompts = [json.loads(line)["prompt"] for line in found.lines.splitlines()]
    assert len(set(prompts)) == 6
    assert said[0] == "6 prompts, 18 responses of at most 8 tokens."
    with pytest.raises(DataError, match=r"wrote \d+ different openings in 1600 tries, but --openings is 400"):
        sample_responses(
            wanted(tiny_models(), Openings(400, 1), batch=400), {"brief": Letters()}, on_progress=quiet, partial=fresh(tmp_path)
        )


def test_chats_are_put_by_the_chat_template(tiny_models, tmp_path):
    path = tmp_path / "prompts.jsonl"
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "Say more"}]
    path.write_text(json.dumps({"prompt": chat, "id": 3}) + "\n" + json.dumps({"prompt": "Hi"}) + "\n")
    scorer = Letters()
    found = sample_responses(
        wanted(tiny_models(), path, template="chat"), {"brief": scorer}, on_progress=quiet, partial=fresh(tmp_path)
    )
    records = [json.loads(line) for line in found.lines.splitlines()]
    assert [record["prompt"] for record in records] == [chat, "Hi"]
    assert {prompt for prompt, _ in scorer.asked} == {"Say more", "Hi"}


def test_the_command_writes_the_file_and_says_what_is_in_it(tiny_models, tmp_path, capsys):
    out, prompts = tmp_path / "lists.jsonl", prompts_in(tmp_path, "One", "Two")
    words = ["data", "sample", str(tiny_models()), str(prompts), "--responses", "3", "--max-new-tokens", "8", "--out", str(out)]
    assert main([*words, *SHORT, "--scorer", "e={name: regex, pattern: e}"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{out}: 2 prompts with 6 responses. Mean scores: short ")
    assert [sorted(example.labels) for example in Lists(str(out)).examples()] == [["e", "short"]] * 2
    assert sorted(tmp_path.iterdir()) == [out, prompts]
    before = out.read_bytes()
    assert main([*words, *SHORT]) == 2
    assert capsys.readouterr().err == f"moft: error: {out}: already exists. Choose another path or remove it.\n"
    assert out.read_bytes() == before


OWN = """
import torch
from moft import Component, hookimpl

class Vowels:
    meaning = "number of vowels"

    def __call__(self, prompts, responses):
        return torch.tensor([float(sum(text.count(vowel) for vowel in "aeiou")) for text in responses])

@hookimpl
def moft_scorers():
    yield Component("vowels", Vowels, "vowels of a response")
"""


def test_a_scorer_of_a_file_labels_too(tiny_models, tmp_path):
    out, prompts, mine = tmp_path / "lists.jsonl", prompts_in(tmp_path, "One", "Two"), tmp_path / "mine.py"
    mine.write_text(OWN)
    words = ["data", "sample", str(tiny_models()), str(prompts), "--max-new-tokens", "8", "--out", str(out)]
    assert main([*words, "--plugin", str(mine), "--scorer", "many=vowels"]) == 0
    for example in Lists(str(out)).examples():
        assert example.labels["many"] == tuple(float(sum(map(text.count, "aeiou"))) for text in example.responses)


MISTAKES = [
    (["{prompts}", "--openings", "3", *SHORT], "moft data sample needs either a file of prompts or --openings, not both."),
    ([*SHORT], "moft data sample needs either a file of prompts or --openings, not both."),
    (
        ["{prompts}", "--opening-tokens", "15", *SHORT],
        "--opening-tokens has no effect without --openings, the prompts that the model writes itself. Leave it out.",
    ),
    (["{prompts}"], "moft data sample needs --scorer NAME=KIND, such as --scorer positive=vader; it may be repeated."),
    (["{prompts}", "--scorer", "vader"], "--scorer 'vader' is not of the form NAME=KIND, such as positive=vader."),
    (["{prompts}", *SHORT, *SHORT], "--scorer 'short' is given twice."),
    (["{prompts}", "--scorer", "nice=vadre"], "--scorer nice: unknown scorer 'vadre'. Did you mean 'vader'?"),
    (
        ["{prompts}", "--template", "USER:", *SHORT],
        "--template 'USER:' must be chat, none, or a format that has {{prompt}} once.",
    ),
    (["gone.txt", *SHORT], "gone.txt: cannot be read"),
    (["{empty}", *SHORT], "{empty}: the file has no prompts."),
    (
        ["--openings", "2", "--opening-tokens", "600", *SHORT],
        "--opening-tokens: 1 prompt tokens and 600 new tokens exceed",
    ),
    (
        ["{prompts}", *SHORT, "--max-new-tokens", "600"],
        "{prompts}:1: 3 prompt tokens and 600 new tokens exceed the model's context of 512",
    ),
    (
        ["--openings", "3", "--template", "chat", *SHORT],
        "--template 'chat' cannot be used with --openings, which the model continues without a template.",
    ),
]


@pytest.mark.parametrize(("words", "told"), MISTAKES)
def test_a_mistake_is_told_in_one_line_and_writes_nothing(words, told, tiny_models, tmp_path, capsys):
    model = str(tiny_models())
    capsys.readouterr()
    names = {"prompts": str(prompts_in(tmp_path, "One")), "empty": str(tmp_path / "empty.txt")}
    (tmp_path / "empty.txt").write_text("\n")
    out = tmp_path / "out.jsonl"
    filled = [word.format(**names) if word in ("{prompts}", "{empty}") else word for word in words]
    assert main(["data", "sample", model, *filled, "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"moft: error: {told.format(**names)}") or f"\nmoft: error: {told.format(**names)}" in error
    assert not list(tmp_path.glob("out.jsonl*"))


@pytest.fixture
def interrupted(tiny_models, tmp_path, monkeypatch):
    """Samples four prompts, is interrupted after two, and gives the file that is left; a prompt at a time, from here on."""
    sound, asked = module.generate, []

    def interrupting(assignments, prompts, *arguments, **settings):
        asked.append(len(prompts))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return sound(assignments, prompts, *arguments, **settings)

    def run(source, **changes):
        said, left = [], tmp_path / "left.partial"
        monkeypatch.setattr(module, "_MAX_BATCHES", 1)
        monkeypatch.setattr(module, "generate", interrupting)
        with pytest.raises(KeyboardInterrupt):
            sample_responses(
                wanted(tiny_models(), source, batch=3, **changes), {"brief": Letters()}, on_progress=said.append, partial=left
            )
        assert said[-1] == f"{left}: holds the responses to 2 of 4 prompts. Run the same command again to continue."
        return left, asked

    return run


FOUR = ("One", "Twenty-two", "Three", "Four")


def test_an_interrupted_sampling_goes_on_and_gives_what_an_uninterrupted_one_does(tiny_models, tmp_path, interrupted):
    prompts = prompts_in(tmp_path, *FOUR)
    whole = sample_responses(
        wanted(tiny_models(), prompts), {"brief": Letters()}, on_progress=quiet, partial=fresh(tmp_path)
    ).lines
    left, asked = interrupted(prompts)
    with left.open("ab") as file:
        file.write(b'["cut o')  # as a process that is killed leaves it
    del asked[:]
    said = []
    found = sample_responses(wanted(tiny_models(), prompts, batch=4), {"brief": Letters()}, on_progress=said.append, partial=left)
    assert found.lines == whole
    assert asked == [3, 3]
    assert "6 responses from an earlier call are reused." in said


def test_lots_grow_while_they_are_quick_and_shrink_while_they_are_slow(tiny_models, tmp_path, monkeypatch):
    sound, lots, clock = module.generate, [], [0.0]

    def timed(assignments, prompts, *arguments, **settings):
        lots.append(len(prompts) // 2)
        clock[0] += 40.0 if len(lots) in (4, 5) else 20.0 if len(lots) == 6 else 1.0
        return sound(assignments, prompts, *arguments, **settings)

    monkeypatch.setattr(module, "generate", timed)
    monkeypatch.setattr(module, "monotonic", lambda: clock[0])
    prompts = prompts_in(tmp_path, *(f"{number}" for number in range(40)))
    asked = wanted(tiny_models(), prompts, responses=2, batch=2, max_new_tokens=1)
    sample_responses(asked, {"brief": Letters()}, on_progress=quiet, partial=fresh(tmp_path))
    assert lots == [1, 2, 4, 8, 4, 2, 2, 4, 8, 5]  # prompts; a batch has one


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seed": 1}, "sampled with --seed 0, not 1."),
        ({"responses": 2}, "sampled with --responses 3, not 2."),
        ({"max_new_tokens": 9}, "sampled with --max-new-tokens 8, not 9."),
        ({"texts": FOUR[:3]}, "sampled for other prompts."),
        ({"model": "gpt2"}, "sampled from another model."),
        ({"source": Openings(4, 4)}, "sampled for other prompts."),
    ],
)
def test_other_settings_do_not_go_on_with_what_is_there(changes, told, tiny_models, tmp_path, interrupted):
    left, _ = interrupted(prompts_in(tmp_path, *FOUR))
    before, source = left.read_bytes(), prompts_in(tmp_path, *changes.pop("texts", FOUR))
    asked = wanted(tiny_models(changes.pop("model", "llama")), changes.pop("source", source), **changes)
    with pytest.raises(DataError) as error:
        sample_responses(asked, {"brief": Letters()}, on_progress=quiet, partial=left)
    assert str(error.value) == f"{left}: its responses were {told} Use the same, or remove the file to start again."
    assert left.read_bytes() == before


def test_a_damaged_file_of_responses_is_named_by_line(tiny_models, tmp_path, interrupted):
    prompts = prompts_in(tmp_path, *FOUR)
    left, _ = interrupted(prompts)
    left.write_bytes(left.read_bytes() + b"[1]\n")
    with pytest.raises(DataError) as error:
        sample_responses(wanted(tiny_models(), prompts), {"brief": Letters()}, on_progress=quiet, partial=left)
    assert str(error.value) == f"{left}:4: damaged line ('[1]'). Remove the file to start again."


def test_two_processes_do_not_sample_into_one_file(tmp_path):
    with PartialFile(tmp_path / "x", {}) as held:
        with pytest.raises(DataError, match="another process is writing to it; wait for it to end"):
            PartialFile(tmp_path / "x", {})
        held.begin(None)
    assert not (tmp_path / "x").exists()  # there is no response in it


def test_a_scorer_that_fails_loses_no_response(tiny_models, tmp_path, capsys, monkeypatch):
    out, prompts = tmp_path / "lists.jsonl", prompts_in(tmp_path, "One", "Two")
    words = ["data", "sample", str(tiny_models()), str(prompts), "--max-new-tokens", "8", "--out", str(out), *SHORT]
    with monkeypatch.context() as patched:
        patched.setattr("moft_scorers.length.Length.__call__", lambda self, prompts, responses: torch.tensor([math.nan]))
        assert main(words) == 2
    told = capsys.readouterr().err.splitlines()
    kept = tmp_path / "lists.jsonl.partial"
    assert told[-2] == f"{kept}: holds the responses to 2 of 2 prompts. Run the same command again to continue."
    assert told[-1].startswith("moft: error: the scorer of 'short' (Length) returned a tensor of shape [1] for ")
    assert kept.exists()
    assert not out.exists()
    monkeypatch.setattr(module, "generate", None)  # nothing is sampled again
    assert main(words) == 0
    assert sorted(tmp_path.iterdir()) == [out, prompts]


def test_a_prompt_that_is_too_long_is_told_before_anything_is_sampled(tiny_models, tmp_path, monkeypatch):
    prompts = prompts_in(tmp_path, *FOUR, "w" * 510)
    monkeypatch.setattr(module, "generate", None)
    with pytest.raises(DataError, match=r"prompts\.txt:5: 510 prompt tokens and 8 new tokens exceed the model's context of 512"):
        sample_responses(wanted(tiny_models(), prompts), {"brief": Letters()}, on_progress=quiet, partial=tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_prompt_without_tokens_is_told_before_anything_is_sampled(tiny_models, tmp_path, monkeypatch):
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in (*FOUR, "")))
    monkeypatch.setattr(module, "generate", None)
    with pytest.raises(DataError, match=r"prompts\.jsonl:5: the prompt has no tokens; give at least one\."):
        sample_responses(wanted(tiny_models(), path), {"brief": Letters()}, on_progress=quiet, partial=tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_separators_within_a_line_of_json_are_text(tiny_models, tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text(json.dumps({"prompt": "a\u2028b\x85c"}, ensure_ascii=False) + "\r\n\r\n", encoding="utf-8-sig")
    found = sample_responses(wanted(tiny_models(), path), {"brief": Letters()}, on_progress=quiet, partial=fresh(tmp_path))
    assert [json.loads(line)["prompt"] for line in found.lines.split("\n") if line] == ["a\u2028b\x85c"]


def test_where_to_write_has_to_be_said(tiny_models, tmp_path, capsys):
    assert main(["data", "sample", str(tiny_models()), str(prompts_in(tmp_path, "One")), *SHORT]) == 2
    assert "moft data sample needs --out, the file to write." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("One", "'One' is not JSON"),
        ('{"text": "x"}', "has no 'prompt'; a line is"),
        ('{"prompt": 3}', "prompt is 3"),
    ],
)
def test_a_line_of_prompts_that_is_wrong_is_named(line, told, tiny_models, tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text(json.dumps({"prompt": "x"}) + f"\n{line}\n")
    with pytest.raises(DataError) as error:
        sample_responses(wanted(tiny_models(), path), {"brief": Letters()}, on_progress=quiet, partial=fresh(tmp_path))
    assert str(error.value).startswith(f"{path}:2: ")
    assert told in str(error.value)


def test_a_folder_that_is_not_there_is_told_before_anything_is_sampled(tiny_models, tmp_path, capsys):
    out, model = tmp_path / "nowhere" / "lists.jsonl", tiny_models()
    capsys.readouterr()  # what saving the model said
    assert main(["data", "sample", str(model), "--openings", "2", *SHORT, "--out", str(out)]) == 2
    told = f"moft: error: {out}: cannot be written, because {out.parent} is not a writable folder. Create it first.\n"
    assert capsys.readouterr().err == told


def test_responses_end_before_a_text_that_stops_them(tiny_models, tmp_path):
    prompts = prompts_in(tmp_path, "One", "Two")
    plain = sample_responses(
        wanted(tiny_models(), prompts), {"brief": Letters()}, on_progress=quiet, partial=fresh(tmp_path)
    ).lines
    stop = json.loads(plain.splitlines()[0])["responses"][0][1]
    scorer, partial = Letters(), fresh(tmp_path)
    sample_responses(wanted(tiny_models(), prompts, stop=(stop,)), {"brief": scorer}, on_progress=quiet, partial=partial)
    assert scorer.asked
    assert all(stop not in response for _, response in scorer.asked)
    with pytest.raises(DataError, match="its responses were sampled with --stop"):
        sample_responses(wanted(tiny_models(), prompts), {"brief": Letters()}, on_progress=quiet, partial=partial)
