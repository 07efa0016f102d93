"""A size that can only be a mistake is told in one line, before anything is built of it."""

from __future__ import annotations

import time

import pytest

from moft.config.json_schema import json_schema
from moft.hooks.plugin_manager import Plugins
from moft.run.run_settings import RunSettings
from moft.setting_types import MOST

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
    "method={{name: cos-dpo, draws: {}}}": 10_000,
    "method={{name: cos-dpo-trees, trees: {}}}": 1_000_000,
    "method={{name: cos-dpo-trees, draws: {}}}": 10_000,
    "task.base={{name: lambdamart, trees: {}}}": 1_000_000,
    "task.base.epochs={}": 1_000_000,
    "trainer.epochs={}": 1_000_000,
    "trainer.evaluations={}": 10_000,
    "trainer.threads={}": 1_024,
    "trainer.checkpoint_steps={}": MOST,
    "task.items_per_batch={}": MOST,
    "profile.evaluator={{name: ndcg, k: {}}}": 999_999_999,
    "profile.validation_points={}": 10_000,
    "profile.edges={}": 1_000,
    "profile.bootstrap_samples={}": 1_000_000,
    "method={{name: dpo-ls, points: {}}}": 10000,
    "method={{name: mo-dpo, points: {}}}": 10000,
}


@pytest.mark.parametrize("size", [2**31, 2**63, 10**30])
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_size_that_is_a_mistake_is_told_at_once(setting, size, config, moft, tmp_path):
    begun = time.process_time()
    said = moft("train", config, "--plan", "--out", tmp_path / "run", "--set", setting.format(size))
    assert time.process_time() - begun < 5
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert f"must be at most {SETTINGS[setting]}, got {size}." in said.mistakes[0]


def integers(schema, path=()):
    """The path of every integer in a JSON Schema, and its largest value; not of columns, which a text may name, too."""
    children = schema.items() if isinstance(schema, dict) else enumerate(schema) if isinstance(schema, list) else ()
    if isinstance(schema, dict) and schema.get("type") == "integer":
        yield "/".join(path), schema.get("maximum")
    for key, value in children:
        are_columns = key == "anyOf" and {"type": "string"} in [{"type": one.get("type")} for one in value]
        if not are_columns:
            yield from integers(value, (*path, str(key)))


def test_every_integer_setting_of_every_component_has_a_largest_value():
    plugins = Plugins()
    plugins.load()
    found = dict(integers(json_schema(RunSettings, plugins)))
    assert len(found) > 60
    signs = {path for path in found if path.endswith("/properties/sign")}  # 1 or -1
    assert [path for path, most in found.items() if most is None and path not in signs] == []


def test_a_grid_of_too_many_points_is_one_line_in_training_too(config, moft, tmp_path):
    words = ("--out", tmp_path / "run", "--set", "profile.grid={name: das-dennis, partitions: 2147483647}")
    for more in ((), ("--plan",)):
        said = moft("train", config, *words, *more)
        assert (said.code, len(said.mistakes)) == (2, 1)
        assert "makes 2147483648 points; the limit is 1000000" in said.mistakes[0]
