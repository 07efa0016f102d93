"""The steps of a run after its front is measured."""

from __future__ import annotations


def test_the_report_lists_the_choices_of_the_config(config, moft, tmp_path):
    with config.open("a", encoding="utf-8") as file:
        file.write("\nchoices:\n  even: {share: {first: 1, second: 1}, measurements: 4}\n")
    said = moft("train", config, "--out", tmp_path / "run")
    assert said.code == 0
    assert "Choice even: weights first=" in said.out
    assert "share first=1, second=1" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "run" / "choices" / "even.png").exists()
