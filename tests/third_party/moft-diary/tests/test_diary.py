"""The diary."""

from moft_diary import plugin
from moft_diary.tracker import Diary

from moft.testing import check_plugin, check_tracker


def test_contract(tmp_path):
    check_plugin(plugin)
    check_tracker(lambda run: Diary(run, file=str(tmp_path / "diary.txt")))
    lines = (tmp_path / "diary.txt").read_text().splitlines()
    assert lines[:4] == ["run began", "run step 4: 0.2500", "run 3 points", "run done"]
