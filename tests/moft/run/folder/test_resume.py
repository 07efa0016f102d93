"""What a run may be gone on with: another way to run, show or measure it, and nothing else."""

from __future__ import annotations

import pytest

from moft.run.folder.resume import fingerprint

CONFIG = {
    "seed": 0,
    "task": {"name": "llm", "tokens_per_batch": 64},
    "trainer": {"epochs": 3, "device": "cpu"},
    "profile": {"evaluator": {"name": "generation", "decoding": {"batch": 32, "max_new_tokens": 8}}, "bootstrap_samples": 100},
    "trackers": [],
}


def changed(path, value):
    *parents, last = path.split(".")
    inner = copy = {key: dict(item) if isinstance(item, dict) else item for key, item in CONFIG.items()}
    for key in parents:
        inner[key] = dict(inner[key])
        inner = inner[key]
    inner[last] = value
    return copy


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("trackers", [{"name": "wandb"}]),
        ("trainer.device", "cuda"),
        ("profile.bootstrap_samples", 1000),
        ("profile.evaluator.decoding.batch", 4),
    ],
)
def test_what_training_does_not_depend_on_may_change(path, value):
    assert fingerprint(changed(path, value)) == fingerprint(CONFIG)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seed", 1),
        ("trainer.epochs", 4),
        ("task.tokens_per_batch", 32),
        ("profile.evaluator.decoding.max_new_tokens", 4),
    ],
)
def test_what_training_depends_on_may_not(path, value):
    assert fingerprint(changed(path, value)) != fingerprint(CONFIG)
