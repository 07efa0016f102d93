"""Texts of a call from any text engine: so many at a time, in their order, and none is left behind."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from moft.api import EncodedPrompt, TextEvent, TextRequest, Tradeoff
from moft.errors import ConfigError
from moft.run.policy.texts.text_generation import TextGeneration

NOTE = "A note."


class Stream:
    """Gives the letters of the prompt, then the end."""

    notes = (NOTE,)

    def __init__(self, engine, request):
        self.letters = iter([chr(token) for token in request.prompt.tokens])
        self.engine = engine

    def __iter__(self):
        return self

    def __next__(self):
        self.engine.seen.append(len(self.engine.running))
        letter = next(self.letters, None)
        if letter is not None:
            return TextEvent(ord(letter), letter)
        self.cancel()
        return TextEvent(None, "", finish="stop")

    def cancel(self):
        self.engine.running.remove(self)


class Engine:
    """Answers with the prompt."""

    def __init__(self):
        self.asked: list[TextRequest] = []
        self.running: list[Stream] = []
        self.seen: list[int] = []

    def chats(self, chats, places):
        return [EncodedPrompt(tuple(map(ord, messages[-1]["content"]))) for messages in chats]

    def check(self, request, where):
        if request.prompt.tokens == (ord("!"),):
            raise ConfigError(f"{where}: no.")

    def room(self, prompt):
        return None

    def submit(self, requests):
        streams = [Stream(self, request) for request in requests]
        self.asked += requests
        self.running += streams
        return streams


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def generate(engine):
    run = SimpleNamespace(
        names=("first", "second"),
        trained_betas=torch.tensor([[0.5, 1.0]]),
        tradeoffs=lambda asked, where: Tradeoff(torch.tensor([asked[0][0]]), torch.tensor([[1.0, 2.0]])),
        substitutions=lambda tradeoff: (),
        plugins=SimpleNamespace(implementations=lambda hook: [lambda **_: None, lambda **_: engine]),
    )
    return TextGeneration(run)


def test_texts_are_in_the_order_of_prompts_and_so_many_run_at_a_time(generate, engine):
    found = generate(["abc", "d", "", "efgh"], [0.25, 0.75], samples=2, batch=3, seed=9)
    assert [one.text for one in found] == ["abc", "abc", "d", "d", "", "", "efgh", "efgh"]
    assert [one.sample for one in found] == [0, 1] * 4
    assert (max(engine.seen), engine.running) == (3, [])
    assert [request.sample for request in engine.asked] == list(range(8))
    first = found[0]
    assert (first.weights, first.dial, first.finish, first.seed) == ({"first": 0.25, "second": 0.75}, 2.0, "stop", 9)
    assert (first.tokens, first.notes, first.prompt) == ((97, 98, 99), (NOTE,), "abc")


def test_a_list_of_seeds_lets_each_prompt_be_as_it_is_alone(generate, engine):
    generate(["a", "b"], [0.5, 0.5], seed=[4, 5], samples=2, max_new_tokens=[7, None], stop=[["x"], ["y", "z"]])
    assert [(one.sampling.seed, one.sample, one.max_tokens) for one in engine.asked] == [
        (4, 0, 7),
        (4, 1, 7),
        (5, 0, 1024),
        (5, 1, 1024),
    ]
    assert [one.stop for one in engine.asked] == [("x",), ("x",), ("y", "z"), ("y", "z")]


def test_pieces_alternate_and_what_is_left_is_cancelled(generate, engine):
    stream = generate.stream(["abc", "xy"], [0.5, 0.5])
    assert [next(stream).text for _ in range(3)] == ["a", "x", "b"]
    stream.close()
    assert engine.running == []


def test_nothing_is_asked_for_when_a_prompt_is_wrong(generate, engine):
    with pytest.raises(ConfigError, match=r"^prompt 2: no\.$"):
        generate.stream(["a", "!"], [0.5, 0.5])
    assert engine.asked == []
