"""How texts become tokens in a run: its end of a turn, its version, its date, and how much of them may be cut."""

from __future__ import annotations

from datetime import datetime

import pytest
import torch
from transformers import AutoTokenizer

from moft import ConfigError, DataError


def test_responses_end_in_the_end_of_a_turn_which_the_run_keeps(build, trainer, chatml):
    task = build(model=chatml, template="chat")
    task.prepare(trainer)
    end = task.prompt_template().tokenizer.convert_tokens_to_ids("<|end|>")
    batch = next(iter(task.batches("test")))
    last = [
        row[segments == segments.max()][-1]
        for row, segments in zip(batch.inputs["tokens"], batch.inputs["segments"], strict=True)
    ]
    assert set(map(int, last)) == {end}
    assert int(task.state()["end_token"]) == end
    assert task.model(2).turn_end == end
    opened = build(model=chatml, template="chat")
    opened.restore(task.state())
    assert opened.identity() == task.identity()
    with pytest.raises(DataError, match=r"^responses of this run ended in another token than now"):
        build(model=chatml, template="chat").restore({**task.state(), "end_token": torch.tensor([1])})


def test_a_run_of_an_older_version_scores_as_it_did(build, trainer, chatml):
    task = build(model=chatml, template="chat")
    task.prepare(trainer)
    old = build(model=chatml, template="chat")
    old.restore({"base": task.state()["base"]})  # which is all that moft 0.2.0 saved
    assert old.prompt_template().end == old.prompt_template().tokenizer.eos_token_id
    assert old.prompt_template().render("Hi<|end|>", "a:1") == "<user>Hi<|end|><|end|>\n<assistant>"
    assert old.state()["text_version"].tolist() == [1]
    batch = next(iter(old.batches("test")))
    assert int(batch.inputs["tokens"][batch.inputs["segments"] == 1][-1]) == old.prompt_template().end
    with pytest.raises(DataError, match=r"^the saved state is of a newer version of moft; update moft to open it\.$"):
        old.restore({**task.state(), "text_version": torch.tensor([99])})


def test_a_split_of_which_too_much_is_cut_is_an_error(build, trainer):
    with pytest.raises(ConfigError, match=r"^\[task\.max_length\] \d+ of \d+ prompts are too long and would be cut, more than"):
        build(max_length=4).prepare(trainer)
    build(max_length=4, max_truncated=1.0).prepare(trainer)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"max_length": 4}, r"^\[task\.max_length\] \d+ of 40 prompts are too long and would be cut, more than"),
        ({"max_length": 90, "max_response": 1}, r"^\[task\.max_length\] \d+ of \d+ responses are too long and would be cut"),
    ],
)
def test_a_look_at_the_inputs_finds_what_is_cut(build, settings, told):
    with pytest.raises(ConfigError, match=told):
        build(**settings).check_inputs()
    assert build(**settings, max_truncated=1.0).check_inputs().unchecked == ()


def test_a_look_at_some_of_the_prompts_says_that_it_did_not_count_what_is_cut(build, monkeypatch):
    monkeypatch.setattr("moft_llm.task.PROMPTS", 30)
    told = "how many prompts and responses beyond the first 30 prompts are too long."
    assert build(max_length=4).check_inputs().unchecked == (told,)


@pytest.fixture
def dated(chatml):
    """A small random model whose chat template writes the date."""
    tokenizer = AutoTokenizer.from_pretrained(chatml)
    tokenizer.chat_template = "{{ strftime_now('%d %b %Y') }}" + tokenizer.chat_template
    tokenizer.save_pretrained(chatml)
    return chatml


def test_a_run_keeps_the_date_on_which_it_started(build, trainer, dated, monkeypatch, tmp_path):
    class Past(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2001, 2, 3, 4, 5, 6)

    with monkeypatch.context() as changed:
        changed.setattr("moft_llm.task.datetime", Past)
        task = build(model=dated, template="chat")
        task.prepare(trainer)
    assert task.prompt_template().render("Hi", "a:1").startswith("03 Feb 2001<user>Hi")
    assert task.state()["now"].tolist() == [2001, 2, 3, 4, 5, 6]
    opened = build(model=dated, template="chat")
    opened.restore(task.state())
    assert opened.identity() == task.identity()
    before = build(model=dated, template="chat")
    before.restore({name: value for name, value in task.state().items() if name != "now"})
    assert before.identity() != task.identity()
    resumed = build(model=dated, template="chat")
    monkeypatch.setattr(trainer, "once", lambda job, work: {"now": task.state()["now"]})  # as kept by the run that is resumed
    resumed.prepare(trainer)
    assert resumed.identity() == task.identity()


def test_a_template_without_a_date_keeps_none(build, trainer, chatml):
    task = build(model=chatml, template="chat")
    task.prepare(trainer)
    assert "now" not in task.state()
