"""What `moft sweep` asks before its first run, and what it could not ask."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("plan", [(), ("--plan",)], ids=["run", "plan"])
def test_a_conditioner_that_the_model_cannot_take_is_told_before_the_first_run(config, moft, tmp_path, plan):
    words = ("--over", "method.conditioner=concat,hpt", "--over", "trainer.epochs=1,2")
    said = moft("sweep", config, *words, "--out", tmp_path / "sweep", *plan)
    assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)
    assert said.mistakes[0].startswith(
        "moft: error: [method.conditioner] 'hpt' fills the slot 'prefix', which the ranker cannot read"
    )
    assert not (tmp_path / "sweep").exists()


def test_data_that_are_missing_are_one_mistake_of_all_runs(config, moft, tmp_path):
    words = ("--over", "trainer.epochs=1,2", "--set", "task.data=nowhere", "--out", tmp_path / "sweep", "--plan")
    said = moft("sweep", config, *words)
    assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)
    assert said.mistakes[0].startswith("moft: error: 'nowhere': no such file or folder")
