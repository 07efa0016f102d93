"""Chat templates that loop, grow or fail end in one line, in seconds, with bounded memory."""

from __future__ import annotations

import os
import resource
import time

import pytest

from moft.engine.data import bounded_rendering
from moft.engine.data.bounded_rendering import Chat, ChatFault, render_chats

TURNS = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
HELLO = Chat([{"role": "user", "content": "Hello"}])
ENDLESS = {
    "nested loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "a long range": "{% for i in range(10**12) %}x{% endfor %}",
    "a long text": "{{ 'x' * 10**11 }}",
    "a doubled text": "{% set n = namespace(s='xxxx') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}{{ n.s }}",
    "padding": "{{ 'x' | center(10**11) }}",
    "a format": "{{ '%100000000000d' % 1 }}",
    "a power": "{{ 10**(10**8) }}",
    "a list": "{{ ([0] * 10**11) | length }}",
    "much text": "{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
}


@pytest.fixture
def chatty():
    """A tokenizer with a chat template, in which `@turns` stands for one that writes all messages."""

    def made(template):
        from tokenizers import Tokenizer, models
        from transformers import PreTrainedTokenizerFast

        backend = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
        return PreTrainedTokenizerFast(tokenizer_object=backend, chat_template=template.replace("@turns", TURNS))

    return made


@pytest.mark.parametrize("template", ENDLESS.values(), ids=ENDLESS)
def test_a_template_that_does_not_end_is_a_fault_in_seconds_and_bounded_memory(template, chatty, monkeypatch):
    monkeypatch.setattr(bounded_rendering, "SECONDS", 1.0)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    found = render_chats(chatty(template), [HELLO, HELLO])
    assert all(isinstance(fault, ChatFault) for fault in found)
    assert time.monotonic() - start < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # KiB, of this process


def test_chats_are_rendered_as_transformers_does_and_faults_stay_with_their_chat(chatty):
    tokenizer = chatty("{% if messages[0].content == 'bad' %}{{ raise_exception('no\nbad') }}{% endif %}@turns")
    bad = Chat([{"role": "user", "content": "bad"}])
    closed = Chat(HELLO.messages, opens_answer=False)
    assert render_chats(tokenizer, [HELLO, bad, closed]) == [
        tokenizer.apply_chat_template(HELLO.messages, tokenize=False, add_generation_prompt=True),
        ChatFault("rejected", "no bad"),
        tokenizer.apply_chat_template(HELLO.messages, tokenize=False),
    ]
    assert render_chats(tokenizer, []) == []


def test_no_process_stays(chatty, monkeypatch):
    monkeypatch.setattr(bounded_rendering, "SECONDS", 0.2)
    children, fork = [], os.fork

    def noted():
        children.append(fork())
        return children[-1]

    monkeypatch.setattr(os, "fork", noted)
    render_chats(chatty(ENDLESS["nested loops"]), [HELLO])
    render_chats(chatty("@turns"), [HELLO])
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
