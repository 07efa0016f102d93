"""The console as a plugin: through the hooks, off and on a terminal."""

from __future__ import annotations

import subprocess
import sys

import torch

from moft.api import Front, ListValues, Nouns, Run, Tradeoff
from moft.hooks.observers import Observers
from moft.hooks.plugin_manager import Plugins
from moft_console.plugin import Console
from moft_console.progress_bar import ProgressBar
from moft_console.progress_display import display_for_stderr
from moft_console.progress_lines import ProgressLines

FRONT = Front(
    ("clicks", "price"),
    Tradeoff(torch.tensor([[0.5, 0.5]]), torch.ones(1, 2)),
    ListValues(torch.ones(1, 2, 2), torch.ones(1, 2), torch.arange(2)),
    "NDCG@10",
    "test",
)


def observers() -> Observers:
    plugins = Plugins()
    plugins.register(Console(), "console")
    return Observers(plugins, Run("toy", "runs/toy", {}))


def test_a_run_is_told_on_stderr_and_its_front_on_stdout(capsys):
    told = observers()
    told.run_started()
    told.step_ended(1, {"job": "policy", "progress": 1.0, "loss": 0.5, "hypervolume": 0.25})
    told.front_profiled(FRONT)
    told.run_ended(None)
    captured = capsys.readouterr()
    begin, step, end = captured.err.splitlines()
    assert begin == "run toy: writes to runs/toy"
    assert step == "policy  100%  loss 0.5000  hypervolume 0.2500"
    assert end.startswith("run toy: done in ")
    assert captured.out.splitlines()[-1] == "NDCG@10, on 2 lists of the test split."


def test_the_rate_is_in_the_nouns_of_the_runs_task(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    told = observers()
    told.run_started()
    told.name_lists(Nouns("query", "document"))
    for step in (1, 2):
        now[0] = 10.0 * step
        told.step_ended(step, {"job": "policy", "lists": 300 * step})
    assert capsys.readouterr().err.splitlines()[-1] == "policy  30 queries/s"


def test_a_front_alone_is_printed_without_a_run(capsys):
    observers().front_profiled(FRONT)
    captured = capsys.readouterr()
    assert "clicks" in captured.out
    assert captured.err == ""


def test_two_runs_follow_each_other(capsys):
    told = observers()
    for _ in range(2):
        told.run_started()
        told.run_ended(KeyboardInterrupt())
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[3].startswith("run toy: stopped after ")


def test_a_terminal_has_a_bar_and_anything_else_has_lines(monkeypatch):
    assert isinstance(display_for_stderr(), ProgressLines)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(display_for_stderr(), ProgressBar)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(display_for_stderr(), ProgressLines)


def test_the_plugin_itself_imports_nothing_slow():
    code = "import sys, moft_console.plugin; print([m for m in ('torch', 'rich') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_front_measured_outside_of_a_run_leaves_no_display_behind(capsys):
    console = Console()
    console.moft_front_profiled(FRONT)
    assert console._display is None
    assert capsys.readouterr().err == ""


def test_points_measured_outside_of_a_run_leave_no_display_behind(capsys):
    console = Console()
    console.moft_points_measured(1, 1)
    console.moft_front_profiled(FRONT)
    assert console._display is None
    assert capsys.readouterr().err == "measured 1 of 1 points\n"
