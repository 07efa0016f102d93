"""Valid inputs of every kind, made once: data, configs, base models and finished runs of both tasks."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

RANKER = """\
task:
  name: ltr
  data: data
  objectives:
    first: {column: 9}
    second: {column: 10, beta: 0.5}
  base: BASE
  width: 16
  layers: 1
  items_per_batch: 64
method: cos-dpo
trainer: {epochs: 1, device: cpu, threads: 1, evaluations: 1}
profile: {evaluator: ndcg, points: 3, bootstrap_samples: 100}
"""
LANGUAGE_MODEL = """\
task:
  name: llm
  model: model
  data: {name: lists, path: lists.jsonl}
  objectives:
    brief: {}
    calm: {}
  lora: {rank: 4, alpha: 8}
  prompt_tokens: 2
  tokens_per_batch: 1024
method: {name: cos-dpo, conditioner: hpt}
trainer: {epochs: 1, device: cpu, threads: 1, learning_rate: 0.02, evaluations: 1}
profile: {evaluator: preference, points: 3, bootstrap_samples: 100}
"""


def make_samples(folder: Path) -> None:
    """Writes the inputs into an empty folder; the programs of a case run in a copy of it."""
    import lightgbm
    import numpy
    import pyarrow
    import pyarrow.parquet

    from moft.cli.app import main
    from moft_ltr.data.example_data.synthetic import Synthetic, make_synthetic

    made = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "conftest.py")))
    make_synthetic(folder / "data", Synthetic(lists=24, items=6, features=8), as_text=True)
    made.save_model(folder / "model", "llama")
    made.save_tokenizer(folder / "model")
    made.write_lists(folder / "lists.jsonl")
    rows = [json.loads(line) for line in (folder / "lists.jsonl").read_text(encoding="utf-8").splitlines()]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "lists.parquet")
    random = numpy.random.default_rng(0)
    features, labels = random.normal(size=(144, 8)), random.integers(0, 3, size=144)
    settings = {"objective": "lambdarank", "num_leaves": 5, "min_data_in_leaf": 2, "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(settings, lightgbm.Dataset(features, labels, group=[6] * 24), num_boost_round=3)
    booster.save_model(folder / "base.txt")
    (folder / "neural.yaml").write_text(
        RANKER.replace("BASE", "{name: neural, epochs: 1, width: 8, layers: 1}"), encoding="utf-8"
    )
    (folder / "trees.yaml").write_text(RANKER.replace("BASE", "{name: lightgbm, path: base.txt}"), encoding="utf-8")
    (folder / "llm.yaml").write_text(LANGUAGE_MODEL, encoding="utf-8")
    (folder / "parquet.yaml").write_text(LANGUAGE_MODEL.replace("lists.jsonl", "lists.parquet"), encoding="utf-8")
    (folder / "weights.jsonl").write_text("[0.25, 0.75]\n" * 8, encoding="utf-8")
    (folder / "prompts.jsonl").write_text('{"prompt": "Day 1: ", "weights": [0.5, 0.5], "dial": 1.5}\n' * 3, encoding="utf-8")
    for name in ("neural", "trees", "llm"):
        assert main(["train", f"{name}.yaml", "--out", f"{name}-run"]) == 0, name
    assert main(["choose", "neural-run", "--maximise", "first", "--name", "mine", "--measurements", "4"]) == 0
    assert main(["data", "convert", "data/test.txt", "converted"]) == 0
