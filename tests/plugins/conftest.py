"""What the tests of several plugins share: a task whose optimum is known, and runs on small random language models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from moft.api import (
    AccelerateTrainer,
    Batch,
    Batches,
    Injection,
    Inputs,
    Method,
    Model,
    ModelSpec,
    Nouns,
    Objective,
    Policy,
    Tradeoff,
    TrainerSettings,
    problem_without_validation,
)
from moft.config.build_component import resolve
from moft.engine.seed import seed_initialisation

LABELS = torch.tensor([[[2.0, 0.0, 1.0], [0.0, 1.0, 0.5], [1.0, 2.0, 0.0]], [[0.0, 1.5, 0.2], [1.0, 0.0, 0.3], [0.5, 0.7, 2.0]]])
REFERENCE = torch.tensor([[0.3, -0.2, 0.1], [0.0, 0.5, -0.5]])


class FreeModel(Model):
    """A correction of its own for every item, whatever is injected."""

    def __init__(self) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(REFERENCE.shape))
        self.spec = ModelSpec(tradeoff_size=2, hidden_size=1, is_correction=True)

    def forward(self, inputs: Inputs, injection: Injection) -> torch.Tensor:
        return self.scores[inputs["list"]]


class FreeTask:
    """Two lists of three items, every split the same; objectives with betas of their own."""

    main = None
    nouns = Nouns()

    def __init__(self, betas: list[float]) -> None:
        self.objectives = tuple(Objective(f"objective-{i + 1}", beta=t) for i, t in enumerate(betas))

    def model(self, tradeoff_size: int) -> FreeModel:
        return FreeModel()

    def batches(self, split: str, generator: torch.Generator | None = None) -> Batches:
        return Batches([torch.arange(2)], self._batch)

    def _batch(self, lists: torch.Tensor) -> Batch:
        labels = LABELS[lists][..., : len(self.objectives)]
        everything = torch.ones_like(labels, dtype=torch.bool)
        reference = REFERENCE[lists]
        items = torch.ones_like(reference, dtype=torch.bool)
        return Batch({"list": lists}, labels, everything, reference, items, torch.zeros_like(reference), lists)


@pytest.fixture
def optimum(plugins: Any) -> Callable[..., tuple[Policy, Callable[[list[float]], torch.Tensor]]]:
    """Trains a method on free scores to its optimum; gives the policy, and weights to corrections `[2, 3]` without their mean."""

    def found(method: Any, betas: list[float]) -> tuple[Policy, Callable[[list[float]], torch.Tensor]]:
        task = FreeTask(betas)
        made = resolve(Method, method, plugins).make()
        problem = problem_without_validation(task)
        seed_initialisation(0, "policy")
        policy = made.policy(problem)
        settings = TrainerSettings(
            epochs=250,
            learning_rate=0.1,
            weight_decay=0.0,
            evaluations=0,
            max_grad_norm=None,
            device="cpu",
            checkpoint_steps=10_000,
        )
        made.train(policy, problem, AccelerateTrainer(settings, seed=0))
        batch = task.batches("train").load(torch.arange(2))

        def correction(weights: list[float]) -> torch.Tensor:
            with torch.no_grad():
                found = policy.correction(batch, Tradeoff(torch.tensor([weights]), problem.betas))
            return found - found.mean(1, keepdim=True)

        return policy, correction

    return found


@pytest.fixture
def targets() -> torch.Tensor:
    """`[2, 3, 3]`, softmaxes of the labels, per list and objective."""
    return LABELS.softmax(1)


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
  template: {template}
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
        template: str = "none",
    ) -> Path:
        key = (method, lora, str(prompt_tokens), str(model), template)
        if key not in made:
            from moft.hooks.plugin_manager import Plugins
            from moft.run.run_config import read_settings
            from moft.run.train import train_run

            folder = tmp_path_factory.mktemp("tuned")
            made_up_lists(folder / "lists.jsonl")
            base = tiny_models(model) if isinstance(model, str) else model
            settings = {"model": base, "data": folder / "lists.jsonl", "method": method, "lora": lora}
            text = CONFIG.format(**settings, prompt_tokens=prompt_tokens, template=template)
            (folder / "config.yaml").write_text(text, encoding="utf-8")
            plugins = Plugins()
            plugins.load(disable=["console"])
            train_run(read_settings(folder / "config.yaml", [], plugins), folder / "run", plugins)
            made[key] = folder / "run"
        return made[key]

    return run
