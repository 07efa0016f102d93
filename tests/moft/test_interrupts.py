"""Signals that end a command: heeded as Ctrl-C is, unless they are ignored, and told with what is kept."""

from __future__ import annotations

import os
import signal

import pytest

from moft.interrupts import Interrupted, heeding_signals, when_interrupted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_an_interrupt_and_a_second_one_soon_after_is_none(number):
    before = signal.getsignal(number)
    with heeding_signals() as received:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        signal.raise_signal(signal.SIGTERM)
        assert received == [number]
        with heeding_signals() as inner:
            assert inner is received
    assert signal.getsignal(number) is before


def test_a_signal_much_later_interrupts_again(monkeypatch):
    monkeypatch.setattr("moft.interrupts.PATIENCE", -1.0)
    with heeding_signals():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with heeding_signals() as received:
            os.kill(os.getpid(), signal.SIGHUP)
        assert received == []
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_is_kept_is_asked_for_in_the_end():
    kept = ["nothing"]

    def interrupted():
        with when_interrupted(lambda: kept[0], "--resume"):
            kept[0] = "all"
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as error:
        interrupted()
    assert (error.value.kept, error.value.more) == ("all", ("--resume",))
