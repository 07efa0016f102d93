"""`moft chat`: lines from a pipe or a terminal are answered, and weights change between turns."""

from __future__ import annotations

import functools
import io
import signal
import sys
from dataclasses import replace

import pytest

import moft as package
from moft.run.policy.texts.text_generation import TextGeneration

pytestmark = pytest.mark.slow  # a run is trained

SHORT = ("--greedy", "--max-new-tokens", 6)


@functools.cache
def opened(folder, template="none"):
    """A run, opened once for all tests, as if it had been trained with a template."""
    run = package.open_run(folder, device="cpu")
    if template == "chat":
        run.task._prompt_template = replace(run.task.prompt_template(), text=template)
    return run


@pytest.fixture(scope="module")
def run(tuned):
    return opened(tuned(), "chat")


@pytest.fixture
def talk(run, moft, monkeypatch):
    """Puts lines into a conversation; gives what it printed, and all lines of stderr."""

    def said(*lines, words=SHORT, run=run, terminal=False):
        monkeypatch.setattr(package, "open_run", lambda path, **_: run)
        stdin = io.StringIO("".join(f"{line}\n" for line in lines))
        stdin.isatty = lambda: terminal
        monkeypatch.setattr(sys, "stdin", stdin)
        return moft("chat", run.folder.path, *words)

    return said


def answer(run, messages, weights, dial=None, **settings):
    (found,) = run.generate(messages, weights, dial=dial, **{"max_new_tokens": 6, "greedy": True} | settings)
    return found.text


def user(text):
    return {"role": "user", "content": text}


def test_turns_are_answered_at_the_weights_of_the_moment(talk, run):
    found = talk("Day 3", "/weights calm=1", "Day 4", "", words=("--weights", "0.2,0.8", *SHORT))
    first = answer(run, [user("Day 3")], "0.2,0.8")
    second = answer(run, [user("Day 3"), {"role": "assistant", "content": first}, user("Day 4")], "0,1")
    assert found.out == f"{first}\nweights: calm=1, dial: 1\n{second}\n"
    assert (found.code, found.mistakes) == (0, [])


def test_commands_change_what_comes_next(talk, run):
    found = talk(
        *("/weights brief=1", "/dial 2", "Day 3", "/retry", "/reset", "/system Be brief.", "//Day", "/show", "/quit", "Day 9")
    )
    first = answer(run, [user("Day 3")], "1,0", dial=2)
    last = answer(run, [user("/Day")], "1,0", dial=2, system="Be brief.")
    weights = "weights: brief=1, dial: 2"
    told = ["weights: brief=1, dial: 1", weights, first, first, "the conversation is forgotten.", "system message set.", last]
    told += ["objectives: brief, calm", "choices: none", weights, "system: Be brief.", "user: /Day", f"assistant: {last}", ""]
    assert found.out == "\n".join(told)
    assert len(found.mistakes) == 1  # a dial is approximate, which is said once
    assert found.mistakes[0].startswith("moft: note: A dial other than 1 is approximate")


def test_each_answer_and_each_try_draws_other_numbers(talk, run):
    words = ("--weights", "0.2,0.8", "--max-new-tokens", 12, "--seed", 4)
    one, two = talk("Day 3", "/retry", words=words).out.split("\n", 1)
    assert [one, two.removesuffix("\n")] == [
        answer(run, [user("Day 3")], "0.2,0.8", greedy=False, max_new_tokens=12, seed=seed) for seed in (4, 5)
    ]
    assert one != two


def test_a_mistake_is_one_line_and_the_conversation_goes_on(talk, run):
    lines = ["Day 3", "/weight 1", "/weights brave=1", "/weights", "/dial 0", "/dial 1,3", "/choice mime", "/retry", "/help me"]
    found = talk(*lines, "/weights 0.2,0.8", "x" * 600, "a\udcff", "Day 3")
    told = [
        "set the weights of the objectives first: /weights brief=0.5,calm=0.5.",
        "'/weight' is no command; there are /weights, /dial, /choice,",
        "/weights 'brave=1': 'brave' is not an objective.",
        "/weights needs a value, such as /weights brief=0.5,calm=0.5.",
        "/dial 0: must be above 0",
        "betas [0.1, 0.3] are not a multiple of the trained",
        "/choice 'mime': ",
        "/retry: there is no message to answer yet.",
        "/help takes no value; 'me' was given.",
    ]
    assert len(found.mistakes) == len(told) + 2
    for line, text in zip(found.mistakes, told, strict=False):
        assert line.startswith(f"moft: error: {text}"), line
    assert "exceed the model's context of 512. Begin anew with /reset" in found.mistakes[-2]
    assert "half of a surrogate pair" in found.mistakes[-1]
    assert found.out == f"weights: 0.2,0.8, dial: 1\n{answer(run, [user('Day 3')], '0.2,0.8')}\n"
    assert found.code == 0


def test_bytes_that_are_no_text_are_told(run, moft, monkeypatch):
    monkeypatch.setattr(package, "open_run", lambda path, **_: run)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\n/weights 1,0\n"), encoding="utf-8"))
    found = moft("chat", run.folder.path, "--weights", "1,0", *SHORT)
    assert found.code == 0
    assert found.out == "weights: 1,0, dial: 1\n"
    assert "half of a surrogate pair" in found.mistakes[0]


def test_ctrl_c_stops_an_answer_and_keeps_what_was_said(talk, run, monkeypatch):
    whole, plain = answer(run, [user("Day 3")], "0.2,0.8"), TextGeneration.stream

    def stopped(self, *arguments, **settings):
        pieces = plain(self, *arguments, **settings)

        def some():
            yield next(pieces)
            raise KeyboardInterrupt

        return some()

    monkeypatch.setattr(TextGeneration, "stream", stopped)
    found = talk("Day 3", "/show", words=("--weights", "0.2,0.8", *SHORT))
    first, *_ = found.out.split("\n")
    assert whole.startswith(first)
    assert first != whole
    assert found.code == 0
    assert found.out.endswith(f"user: Day 3\nassistant: {first}\n")


def test_sigterm_ends_the_conversation(talk, monkeypatch):
    monkeypatch.setattr(TextGeneration, "stream", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
    found = talk("Day 3", "/show", words=("--weights", "0.2,0.8", *SHORT))
    assert found.code == 143
    assert found.out == ""


def test_a_terminal_is_greeted_and_ctrl_d_ends(talk, tuned, monkeypatch):
    asked = iter(["Day 3"])

    def read(prompt):
        assert prompt == "> "
        try:
            return next(asked)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", read)
    run = opened(tuned())
    found = talk(run=run, terminal=True, words=("--weights", "0.2,0.8", *SHORT))
    greeting, note, said, end = found.out.split("\n", 3)
    assert greeting == "Objectives: brief, calm. /help shows the commands."
    assert note == "The template of this run takes one message, so each message is answered by itself."
    assert (said, end) == (answer(run, "Day 3", "0.2,0.8"), "\n")


def test_without_a_chat_template_each_message_is_a_prompt(talk, tuned):
    run = opened(tuned())
    found = talk("Day 3", "Day 4", "/system Be brief.", run=run, words=("--weights", "0.2,0.8", *SHORT))
    assert found.out == "".join(f"{answer(run, text, '0.2,0.8')}\n" for text in ("Day 3", "Day 4"))
    assert found.mistakes == ["moft: error: /system: the template of this run takes one message, and none of the system."]
    said = talk(run=run, words=("--system", "x"))
    assert (said.code, said.mistakes[0].startswith("moft: error: --system: the template of this run")) == (2, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--weights", "1"), "--weights '1': 1 values for 2 objectives"),
        (("--dial", "0"), "--dial 0: must be above 0"),
        (("--stop", ""), "--stop '' has 0 characters; a text that ends a response has 1 to 200."),
        (("--greedy", "--min-p", "0.5"), "--min-p has no effect with --greedy"),
    ],
)
def test_a_mistake_on_the_command_line_ends_it(talk, words, told):
    found = talk("Day 3", words=words)
    assert found.code == 2
    assert found.mistakes[0].startswith(f"moft: error: {told}")


def test_a_ranker_does_not_talk(talk, finished):
    found = talk(run=opened(finished), words=())
    assert found.mistakes == [
        f"moft: error: {finished}: a run of the task 'ltr'; moft chat works with runs of the task 'llm' only."
    ]
