"""Runs on small random language models, and the real weights where they are there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def stories() -> Callable[[str], Path]:
    """The folder of real weights: `stories260k` or `stories15m`."""

    def folder(name: str) -> Path:
        data = Path(os.environ.get("MOFT_DATA", ROOT.parent / "shared" / "data"))
        if not (data / "models" / name / "model.safetensors").exists():
            pytest.skip(f"no weights in {data / 'models' / name}: set MOFT_DATA to a folder that holds models/{name}")
        return data / "models" / name

    return folder


CONFIG = """\
task:
  name: llm
  model: {model}
  data: {{name: lists, path: {data}}}
  objectives:
    brief: {{}}
    calm: {{}}
  lora: {lora}
  prompt_tokens: {prompt_tokens}
  tokens_per_batch: 1024
method: {method}
trainer: {{epochs: 2, device: cpu, learning_rate: 0.02, evaluations: 1}}
profile: {{evaluator: preference, points: 3, bootstrap_samples: 100}}
seed: 0
"""


@pytest.fixture(scope="session")
def tuned(tiny_models, made_up_lists, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder of a run on a small random model, trained for a moment; do not change what is there."""
    made: dict[tuple[str, ...], Path] = {}

    def run(
        method: str = "{name: cos-dpo, conditioner: hpt}",
        lora: str = "{rank: 4, alpha: 8}",
        prompt_tokens: int = 0,
        model: Path | str = "llama",
    ) -> Path:
        key = (method, lora, str(prompt_tokens), str(model))
        if key not in made:
            from moft.hooks.plugin_manager import Plugins
            from moft.run.run_config import read_settings
            from moft.run.train import train_run

            folder = tmp_path_factory.mktemp("tuned")
            made_up_lists(folder / "lists.jsonl")
            base = tiny_models(model) if isinstance(model, str) else model
            settings = {"model": base, "data": folder / "lists.jsonl", "method": method, "lora": lora}
            text = CONFIG.format(**settings, prompt_tokens=prompt_tokens)
            (folder / "config.yaml").write_text(text, encoding="utf-8")
            plugins = Plugins()
            plugins.load(disable=["console"])
            train_run(read_settings(folder / "config.yaml", [], plugins), folder / "run", plugins)
            made[key] = folder / "run"
        return made[key]

    return run
