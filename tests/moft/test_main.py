"""`python -m moft`."""

from __future__ import annotations

import runpy
import signal
import subprocess
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


STOPPED = """
import signal, sys

class Stops:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            signal.raise_signal({number})

sys.meta_path.insert(0, Stops())
sys.argv = ["moft", "score", "run"]
from moft.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize(("number", "by"), [(signal.SIGINT, ""), (signal.SIGTERM, " by SIGTERM"), (signal.SIGHUP, " by SIGHUP")])
def test_a_signal_while_the_command_line_is_imported_is_told_in_one_line(number, by):
    done = subprocess.run([sys.executable, "-c", STOPPED.format(number=int(number))], capture_output=True, text=True)
    told = f"moft: interrupted{by}. Nothing was written yet. Go on with: moft score run\n"
    assert (done.returncode, done.stderr) == (128 + number, told)
