"""`python -m moft`."""

from __future__ import annotations

import runpy
import sys

import pytest


@pytest.mark.parametrize(
    ("words", "code", "stream", "told"), [(["--version"], 0, "out", "moft "), (["trian"], 2, "err", "trian")]
)
def test_it_is_moft_with_its_exit_code(words, code, stream, told, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["moft", *words])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("moft", run_name="__main__")
    assert ended.value.code == code
    assert told in getattr(capsys.readouterr(), stream)
