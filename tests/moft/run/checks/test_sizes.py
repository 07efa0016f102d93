"""A size that can only be a mistake is told in one line, before anything is built of it."""

from __future__ import annotations

import time

import pytest

SETTINGS = {
    "task.layers={}": 1000,
    "task.width={}": 16384,
    "task.base.layers={}": 1000,
    "task.base.width={}": 16384,
    "method={{name: cos-dpo, conditioner: {{name: film, width: {}}}}}": 16384,
    "method={{name: cos-dpo, conditioner: {{name: hypernetwork, width: {}}}}}": 16384,
    "method={{name: cos-dpo, conditioner: {{name: hyper-lora, width: {}}}}}": 16384,
    "method={{name: cos-dpo, conditioner: {{name: hyper-lora, rank: {}}}}}": 1024,
    "method={{name: cos-dpo, conditioner: {{name: hpt, tokens: {}}}}}": 16384,
    "method={{name: cos-dpo, conditioner: {{name: hpt, rank: {}}}}}": 1024,
    "method={{name: cos-dpo, conditioner: {{name: hpt, width: {}}}}}": 16384,
    "method={{name: dpo-ls, points: {}}}": 10000,
    "method={{name: mo-dpo, points: {}}}": 10000,
}


@pytest.mark.parametrize("size", [10**6, 10**9, 2**63])
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_size_that_is_a_mistake_is_told_at_once(setting, size, config, moft, tmp_path):
    begun = time.process_time()
    said = moft("train", config, "--plan", "--out", tmp_path / "run", "--set", setting.format(size))
    assert time.process_time() - begun < 5
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert f"must be at most {SETTINGS[setting]}, got {size}." in said.mistakes[0]
