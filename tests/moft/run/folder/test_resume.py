"""What a run may be gone on with: another way to run, show or measure it, and nothing else."""

from __future__ import annotations

import pytest

from moft.errors import RunError
from moft.hooks.plugin_manager import Plugins
from moft.run.folder.resume import check_same_config, fingerprint, fingerprint_of_0_2
from moft.run.folder.run_folder import RunFolder

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
        ("profile.points", 7),
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


OWN_VALIDATION = {
    "validation_evaluator": {"name": "ndcg"},
    "validation_reference": None,
    "validation_points": None,
    "grid": {"name": "dirichlet"},
    "reference": [0.0, 0.0],
}


def test_with_an_evaluator_of_its_own_for_validation_the_other_one_may_change():
    before = changed("profile", {**CONFIG["profile"], **OWN_VALIDATION})
    for name, value in (("evaluator", {"name": "other"}), ("reference", [1.0, 1.0])):
        assert fingerprint(before | {"profile": before["profile"] | {name: value}}) == fingerprint(before)
    for name, value in (("validation_evaluator", {"name": "x"}), ("grid", {"name": "x"}), ("validation_reference", [1.0, 1.0])):
        assert fingerprint(before | {"profile": before["profile"] | {name: value}}) != fingerprint(before)


def test_without_validation_every_profile_setting_may_change():
    before = changed("trainer.evaluations", 0)
    assert fingerprint(before | {"profile": {"evaluator": {"name": "other"}}}) == fingerprint(before)


def test_all_settings_that_differ_are_named_on_one_line(tmp_path):
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    other = changed("trainer.epochs", 4) | {"seed": 7}
    with pytest.raises(RunError, match=r"\(seed: 0 there, 7 here; trainer\.epochs: 3 there, 4 here\); resume it with"):
        check_same_config(folder, other, Plugins())


def test_a_checkpoint_of_0_2_0_is_still_known():
    kept = {**CONFIG, "profile": {**CONFIG["profile"], "points": 11, "edges": 3}}
    # as version 0.2.0 computed it
    assert fingerprint_of_0_2(kept) == "ce973c409f3e03d8dc7ab5362d8f3bd6c4c07707d1a3b2cc4b285e2d38366e51"


def test_a_config_that_lacks_a_part_is_damaged_and_not_another_one(tmp_path):
    folder = RunFolder.create(tmp_path / "run", {key: value for key, value in CONFIG.items() if key != "trainer"})
    with pytest.raises(RunError, match=r"config\.yaml: is damaged; it lacks 'trainer'\. Restore it from a copy"):
        check_same_config(folder, CONFIG, Plugins())
