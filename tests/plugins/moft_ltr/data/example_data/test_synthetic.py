"""Synthetic data: sizes, determinism, the dial of conflict, and labels that the features decide."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from moft import ConfigError, DataError
from moft_ltr.data.dataset import Dataset, open_dataset
from moft_ltr.data.example_data.synthetic import SHARES, Synthetic, make_synthetic

SMALL = Synthetic(lists=60, items=10, features=20)


def made(tmp_path: Path, wanted: Synthetic = SMALL, split: str = "train", name: str = "out") -> Dataset:
    make_synthetic(tmp_path / name, wanted)
    return open_dataset(tmp_path / name / split, tmp_path)


def grades(data: Dataset, objectives: int) -> np.ndarray:
    return np.array(data.features[:, -objectives:])


@pytest.mark.parametrize(("lists", "third"), [(60, 20), (1, 2)])
def test_splits_have_their_sizes_and_names(tmp_path: Path, lists: int, third: int) -> None:
    make_synthetic(tmp_path / "out", replace(SMALL, lists=lists))
    sets = {split: open_dataset(tmp_path / "out" / split, tmp_path) for split in ("train", "vali", "test")}
    assert [len(data) for data in sets.values()] == [lists, third, third]
    assert sets["train"].columns == 22
    assert sets["train"].labels == {"objective-1": 21, "objective-2": 22}
    qids = np.concatenate([data.qids for data in sets.values()])
    assert len(np.unique(qids)) == len(qids)


def test_lengths_are_about_the_mean_and_within_bounds(tmp_path: Path) -> None:
    lengths = np.diff(made(tmp_path, Synthetic(lists=1000, items=12, features=6)).offsets)
    assert lengths.mean() == pytest.approx(12, rel=0.1)
    assert lengths.min() >= 2
    assert lengths.max() <= 36
    assert lengths.std() > 3


def test_the_same_seed_makes_the_same_data_and_another_makes_other(tmp_path: Path) -> None:
    hashes = [made(tmp_path, replace(SMALL, seed=seed), name=f"out{i}").sha256 for i, seed in enumerate((3, 3, 4))]
    assert hashes[0] == hashes[1] != hashes[2]


def test_splits_differ(tmp_path: Path) -> None:
    made(tmp_path)
    vali, test = (open_dataset(tmp_path / "out" / split, tmp_path) for split in ("vali", "test"))
    assert vali.sha256 != test.sha256


def test_one_feature_is_constant_and_a_tenth_is_heavy_tailed(tmp_path: Path) -> None:
    features = made(tmp_path, Synthetic(lists=300, items=10, features=20)).features[:, :20].astype(np.float64)
    assert (features.std(axis=0) == 0).sum() == 1
    assert (features.min(axis=0) > 0).sum() == 2 + 1  # exp of normal, and the constant
    few = made(tmp_path, Synthetic(lists=10, items=10, features=6), name="few").features[:, :6]
    assert (few.std(axis=0) > 0).all()


def test_grades_have_the_shares_of_mslr(tmp_path: Path) -> None:
    data = made(tmp_path, Synthetic(lists=2000, items=10, features=12))
    for labels in (data.relevance, *grades(data, 2).T):
        shares = [(labels == grade).mean() for grade in range(5)]
        assert sum(shares) == 1
        assert shares == pytest.approx(SHARES, abs=0.03)


def test_no_conflict_makes_objectives_identical(tmp_path: Path) -> None:
    labels = grades(made(tmp_path, replace(SMALL, objectives=3, conflict=0.0)), 3)
    assert np.array_equal(labels[:, 0], labels[:, 1])
    assert np.array_equal(labels[:, 0], labels[:, 2])


@pytest.mark.parametrize("m", [2, 3, 5])
@pytest.mark.parametrize("conflict", [0.0, 0.3, 0.7, 1.0])
def test_objectives_correlate_as_the_dial_says(m: int, conflict: float) -> None:
    mixing = Synthetic(objectives=m, conflict=conflict).mixing
    rho = 1 - conflict * (1 + 1 / (m - 1))
    assert np.allclose(mixing @ mixing.T, (1 - rho) * np.eye(m) + rho)


def test_labels_correlate_less_the_more_conflict_is_asked_for(tmp_path: Path) -> None:
    found = []
    for number, conflict in enumerate((0.2, 0.5, 0.8, 1.0)):
        labels = grades(made(tmp_path, Synthetic(300, 10, 20, conflict=conflict), name=str(number)), 2)
        found.append(np.corrcoef(labels.T)[0, 1])
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.4
    assert found[-1] < -0.4
    assert abs(found[1]) < 0.15  # for two objectives, half way is independence


def test_without_noise_the_features_decide_the_labels(tmp_path: Path) -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    scores = []
    for noise in (0.0, 3.0):
        make_synthetic(tmp_path / str(noise), Synthetic(400, 10, 6, noise=noise))
        train, test = (open_dataset(tmp_path / str(noise) / split, tmp_path) for split in ("train", "test"))
        model = HistGradientBoostingRegressor(max_iter=60).fit(train.features[:, :6], train.features[:, 6])
        scores.append(model.score(test.features[:, :6], test.features[:, 6]))
    assert scores[0] > 0.7
    assert scores[1] < 0.3


def test_relevance_agrees_with_the_mean_of_the_objectives_and_has_something_of_its_own(tmp_path: Path) -> None:
    data = made(tmp_path, Synthetic(300, 10, 20, conflict=0.3))
    correlation = np.corrcoef(data.relevance, grades(data, 2).mean(axis=1))[0, 1]
    assert 0.3 < correlation < 0.9


def test_the_known_front_is_written_and_trades_one_objective_for_the_other(tmp_path: Path) -> None:
    made(tmp_path)
    known = json.loads((tmp_path / "out" / "known_front.json").read_text())
    weights = [point["weights"] for point in known["points"]]
    values = np.array([point["values"] for point in known["points"]])
    assert weights == [[k / 10, (10 - k) / 10] for k in range(11)]
    assert known["objectives"] == ["objective-1", "objective-2"]
    assert "NDCG@10" in known["metric"]
    assert values[-1, 0] == values[0, 1] == 1
    assert (np.diff(values[:, 0]) > -0.02).all()
    assert (np.diff(values[:, 1]) < 0.02).all()


def test_with_noise_no_front_is_claimed(tmp_path: Path) -> None:
    assert make_synthetic(tmp_path / "out", replace(SMALL, noise=0.5)) is None
    assert not (tmp_path / "out" / "known_front.json").exists()


def test_text_reads_back_as_the_same_arrays(tmp_path: Path) -> None:
    make_synthetic(tmp_path / "text", SMALL, as_text=True)
    arrays = made(tmp_path, split="test")
    text = open_dataset(tmp_path / "text" / "test.txt", tmp_path / "cache")
    assert np.array_equal(text.features, arrays.features)
    assert np.array_equal(text.relevance, arrays.relevance)
    assert np.array_equal(text.offsets, arrays.offsets)
    assert np.array_equal(text.qids, arrays.qids)
    assert (tmp_path / "text" / "test.txt").read_text().startswith("# labels: objective-1=21 objective-2=22\n")
    assert (tmp_path / "text" / "known_front.json").read_text() == (tmp_path / "out" / "known_front.json").read_text()


def test_what_exists_is_never_overwritten(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="already exists; choose another folder or remove it"):
        make_synthetic(tmp_path, SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({"lists": 0}, "--lists must be at least 1, got 0"),
        ({"items": 1}, "--items must be at least 2, got 1"),
        ({"objectives": 0}, "--objectives must be at least 1, got 0"),
        ({"seed": -1}, "--seed must be at least 0, got -1"),
        ({"seed": 2**64}, r"--seed must be below 2\^63, got 18446744073709551616"),
        ({"noise": -0.5}, "--noise must be 0 or more and finite \\(a standard deviation\\), got -0.5"),
        ({"noise": float("nan")}, "--noise must be 0 or more and finite \\(a standard deviation\\), got nan"),
        ({"conflict": 1.5}, "--conflict must be between 0 and 1, got 1.5"),
        (
            {"objectives": 1, "conflict": 0.5},
            "--conflict needs --objectives of 2 or more; leave it out",
        ),
        ({"features": 5}, "--features 5 is too few for --objectives 2: every objective, and relevance, uses .*; give at least 6"),
        ({"features": 16, "objectives": 7}, "--features 16 is too few for --objectives 7"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict[str, float], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        Synthetic(**setting)  # type: ignore[arg-type]


def test_one_objective_needs_no_conflict(tmp_path: Path) -> None:
    make_synthetic(tmp_path / "out", replace(SMALL, objectives=1))
    known = json.loads((tmp_path / "out" / "known_front.json").read_text())
    assert known["points"] == [{"weights": [1.0], "values": [1.0]}]
