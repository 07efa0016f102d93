"""The page on generating from Python: its programs run."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

import moft

PAGE = Path(__file__).resolve().parents[4] / "docs" / "how-to" / "generate-from-python.md"
OWN = {"brevity": "brief", "positive": "calm"}
"""The objectives of the page, and of the run of the tests."""

pytestmark = pytest.mark.slow  # a run is trained


def test_the_programs_of_the_page_run(tuned, tmp_path, capsys, monkeypatch):
    run = moft.open_run(tuned(), device="cpu")
    monkeypatch.setattr(moft, "open_run", {"runs/stories": run}.get)
    text = PAGE.read_text(encoding="utf-8").replace("=20", "=8")
    for shown, own in OWN.items():
        text = text.replace(shown, own)
    programs = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    names, printed = {}, []
    for program in programs:
        (tmp_path / "program.py").write_text(program, encoding="utf-8")
        names = runpy.run_path(str(tmp_path / "program.py"), init_globals=names)
        printed.append(capsys.readouterr().out)
    assert len(programs) == 5
    assert len(names["texts"]) == 6
    assert [one.dial for one in names["texts"]] == [1, 1, 1, 2, 2, 2]
    assert names["piece"].whole.text in printed[3]
    assert "Predicted from what was measured" in printed[4]
