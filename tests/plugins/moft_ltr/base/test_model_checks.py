"""A user's LightGBM model scores the data as it scores its source: columns, missing values, digits."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from moft import ConfigError, DataError
from moft.engine.training.trainer import AccelerateTrainer
from moft.engine.training.trainer_settings import TrainerSettings
from moft.files.lightgbm.model_text import parse_lightgbm, written_model

lightgbm = pytest.importorskip("lightgbm")

LISTS, LENGTH = 20, 10


@pytest.fixture
def written(tmp_path):
    """Writes a folder of splits; a value that is NaN is left out of its line, as zeros are."""

    def made(values):
        folder = tmp_path / "written"
        folder.mkdir(exist_ok=True)
        for split in ("train", "vali", "test"):
            rows = []
            for number, row in enumerate(values):
                fields = [
                    f"{c}:{value:.17g}" for c, value in enumerate(row, start=1) if value == value and (value or c == len(row))
                ]
                rows.append(f"{number % 3} qid:{number // LENGTH} {' '.join(fields)} # {number}\n")
            (folder / f"{split}.txt").write_text("# a file\n\n" + "".join(rows))
        return folder

    return made


@pytest.fixture
def values():
    """`[items, 5]`: three features, and two labels that depend on them."""
    draws = np.random.default_rng(0)
    features = draws.standard_normal((LISTS * LENGTH, 3)).round(3)
    return np.column_stack([features, draws.integers(1, 4, len(features)), draws.integers(1, 4, len(features))])


@pytest.fixture
def model(tmp_path):
    """Trains a model on some features and saves it."""

    def made(features, names="auto", **settings):
        labels = np.nan_to_num(features[:, 0]) + np.nan_to_num(features[:, 2])
        given = {"objective": "regression", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5, **settings}
        booster = lightgbm.train(given, lightgbm.Dataset(features, labels, feature_name=names), num_boost_round=5)
        booster.save_model(tmp_path / "model.txt")
        return booster

    return made


@pytest.fixture
def built(task, tmp_path):
    """Prepares the task on a folder with the saved model, and gives it and the notes."""

    def made(folder, *, base=None, objectives=(4, 5), **settings):
        given = {f"objective-{column}": {"column": column} for column in objectives}
        of_base = {"name": "lightgbm", "path": str(tmp_path / "model.txt"), **(base or {})}
        found = task(data=folder, objectives=given, base=of_base, **settings)
        notes = []
        trainer = AccelerateTrainer(TrainerSettings(epochs=1, device="cpu"), seed=0)
        trainer.note = notes.append
        found.prepare(trainer)
        return found, notes

    return made


def raw_scores(found, split):
    """What the base gave before it was standardised."""
    mean, deviation = found.state()["reference"].tolist()
    list(found.batches(split))
    return found._stores[split].reference.double() * deviation + mean


@pytest.mark.parametrize("settings", [{}, {"zero_as_missing": True}, {"boosting": "dart"}])
def test_the_scores_are_those_of_the_model_on_the_file(settings, written, values, model, built):
    values[::3, 1:3] = 0
    booster = model(values[:, :3], **settings)
    found, notes = built(written(values))
    expected = torch.from_numpy(booster.predict(values[:, :3], raw_score=True))
    for split in ("train", "test"):
        assert_close(raw_scores(found, split), expected, rtol=1e-5, atol=1e-6)
    assert not any("base model" in note for note in notes)


def test_a_file_with_a_byte_order_mark_and_line_ends_of_windows_is_compared_too(written, values, model, built):
    booster = model(values[:, :3])
    folder = written(values)
    for path in folder.glob("*.txt"):
        text = path.read_text().partition("\n\n")[2].replace("\n", "\r\n")
        path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    found, _ = built(folder)
    expected = torch.from_numpy(booster.predict(values[:, :3], raw_score=True))
    assert_close(raw_scores(found, "test"), expected, rtol=1e-5, atol=1e-6)


def test_missing_values_that_became_zeros_are_refused_unless_every_zero_is_a_value(written, values, model, built, tmp_path):
    lost = values.copy()
    lost[np.random.default_rng(1).random(len(values)) < 0.4, 0] = np.nan
    booster = model(lost[:, :3])
    assert not np.allclose(booster.predict(lost[:, :3]), booster.predict(np.nan_to_num(lost[:, :3])))
    with pytest.raises(DataError, match=r"train.txt: column 1 is zero in some documents.*'Column_0'.*task.base.missing: zero"):
        built(written(lost))
    found, _ = built(written(lost), base={"missing": "zero"})
    expected = torch.from_numpy(booster.predict(np.nan_to_num(lost[:, :3]), raw_score=True))
    assert_close(raw_scores(found, "test"), expected, rtol=1e-5, atol=1e-6)


def test_effects_of_missing_values_that_cancel_out_are_found(written, values, built, tmp_path):
    """Two trees, the second with the opposite leaves of another feature that is lost in the same documents."""
    values[::3, 0] = values[::3, 1] = np.nan
    path = tmp_path / "model.txt"
    given = {"objective": "regression", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5}
    one = lightgbm.train(given, lightgbm.Dataset(values[:, :1], np.nan_to_num(values[:, 0])), num_boost_round=1)
    tree = parse_lightgbm(one.model_to_string()).text.partition("\nend of trees")[0].partition("Tree=0\n")[2]
    leaves = re.search("leaf_value=(.*)", tree)[1].split()
    opposite = " ".join(value[1:] if value.startswith("-") else f"-{value}" for value in leaves)
    second = re.sub("split_feature=.*", lambda found: found[0].replace("0", "1"), tree).replace(" ".join(leaves), opposite)
    path.write_text(written_model([f"{text.strip()}\n" for text in (tree, second)], 3))
    booster = lightgbm.Booster(model_file=path)
    rows = values[::3, :3].copy()
    assert np.array_equal(booster.predict(rows), booster.predict(np.nan_to_num(rows)))
    rows[:, 0] = 0
    assert not np.array_equal(booster.predict(rows), booster.predict(np.nan_to_num(rows)))
    with pytest.raises(DataError, match=r"train.txt: column [12] is zero in some documents"):
        built(written(values))
    built(written(values), base={"missing": "zero"})


def test_a_look_at_the_inputs_refuses_what_training_refuses(written, values, model, task, tmp_path):
    base = {"name": "lightgbm", "path": str(tmp_path / "model.txt")}
    objectives = {"one": {"column": 4}, "two": {"column": 5}}
    lost = values.copy()
    lost[::3, 0] = np.nan
    model(lost[:, :3])
    with pytest.raises(DataError, match=r"train.txt: column 1 is zero"):
        task(data=written(lost), base=base, objectives=objectives).check_inputs()
    model(values[:, :3])
    task(data=written(values), base=base, objectives=objectives).check_inputs()
    shifted = task(data=written(values[:, [0, 3, 1, 2]]), base=base, objectives={"one": {"column": 2}})
    with pytest.raises(ConfigError, match="because column 2 is the label of 'one'"):
        shifted.check_inputs()
    with pytest.raises(ConfigError, match=r"by task.exclude or task.features"):
        task(
            data=written(np.insert(values, 0, 7, 1)), base=base, objectives={"one": {"column": 5}}, exclude=[1, 6]
        ).check_inputs()


@pytest.mark.parametrize("keeps_settings", [True, False])
def test_missing_values_in_linear_leaves_are_refused_whatever_the_nodes_say(
    keeps_settings, written, values, model, built, tmp_path
):
    lost = values.copy()
    lost[np.random.default_rng(1).random(len(values)) < 0.4, 0] = np.nan
    booster = model(lost[:, :3], linear_tree=True, use_missing=False)
    assert not np.allclose(booster.predict(lost[:, :3]), booster.predict(np.nan_to_num(lost[:, :3])))
    if not keeps_settings:
        path = tmp_path / "model.txt"
        path.write_text(path.read_text().partition("\nparameters:")[0] + "\n")
    with pytest.raises(
        DataError, match=r"column 1 is zero in some documents. The LightGBM model may have been trained on missing"
    ):
        built(written(lost))
    built(written(lost), base={"missing": "zero"})


def test_a_linear_model_without_missing_values_is_used_on_zeros(written, values, model, built):
    values[::3, :3] = 0
    booster = model(values[:, :3], linear_tree=True)
    found, _ = built(written(values))
    expected = torch.from_numpy(booster.predict(values[:, :3], raw_score=True))
    assert_close(raw_scores(found, "test"), expected, rtol=1e-5, atol=1e-6)


def test_rare_categories_are_named_as_the_cause_and_zero_can_be_said_to_be_one(written, values, model, built, tmp_path):
    values[:, 0] = np.minimum(np.random.default_rng(7).geometric(0.25, len(values)) - 1, 60)
    labels = 2 * np.isin(values[:, 0], [0, 3]) + values[:, 1]
    data = lightgbm.Dataset(values[:, :3], labels, categorical_feature=[0])
    given = {"objective": "regression", "verbosity": -1, "num_threads": 1, "min_data_per_group": 5, "cat_smooth": 1}
    booster = lightgbm.train({**given, "min_data_in_leaf": 5}, data, num_boost_round=5)
    booster.save_model(tmp_path / "model.txt")
    with pytest.raises(
        DataError, match=r"column 1 is zero .* was trained on missing values or on rare categories .*missing: zero"
    ):
        built(written(values))
    found, _ = built(written(values), base={"missing": "zero"})
    expected = torch.from_numpy(booster.predict(values[:, :3], raw_score=True))
    assert_close(raw_scores(found, "test"), expected, rtol=1e-5, atol=1e-6)


def test_a_model_with_missing_values_is_used_on_data_without_zeros_and_files_to_score_are_checked(
    written, values, model, built, task, tmp_path
):
    lost = values.copy()
    lost[::3, 0] = np.nan
    model(lost[:, :3])
    found, _ = built(written(values))
    file = written(lost) / "test.txt"
    with pytest.raises(DataError, match=r"test.txt: column 1 is zero in some documents"):
        found.read(file)
    again = task(data=tmp_path, base={"name": "lightgbm", "path": "gone"}, objectives={"a": {"column": 4}, "b": {"column": 5}})
    state = dict(found.state())
    again.restore(state)
    with pytest.raises(DataError, match=r"test.txt: column 1 is zero in some documents"):
        again.read(file)
    del state["booster.strict"]  # as version 0.2.0 wrote it
    again.restore(state)
    assert again.read(file).lists == LISTS


def test_a_label_that_shifts_the_columns_is_refused_by_name(written, values, model, built):
    """Three features are left, as many as the model reads, but they are others."""
    model(values[:, :3])
    folder = written(values[:, [0, 3, 1, 2]])
    with pytest.raises(
        ConfigError,
        match=r"^\[task.base.columns\] feature \d of the LightGBM model \('Column_\d'\) would be read from column \d, because "
        "column 2 is the label of 'objective-2' and no input. List the columns",
    ):
        built(folder, objectives=(2,))
    found, _ = built(folder, objectives=(2,), base={"columns": [1, 3, 4]})
    assert found.state()["columns"].tolist() == [0, 2, 3]
    built(folder, objectives=(2,), features=[1, 3, 4], base={"columns": [1, 3, 4]})


@pytest.mark.parametrize("settings", [{"exclude": [1]}, {"features": [2, 3, 4]}, {"features": [3, 1, 2]}])
def test_columns_of_the_policy_that_are_not_the_first_ones_are_not_taken_for_those_of_the_model(
    settings, written, values, model, built
):
    model(values[:, :3])
    folder = written(np.insert(values, 3, values[:, 0], axis=1))
    with pytest.raises(
        ConfigError,
        match=r"^\[task.base.columns\] feature 1 of the LightGBM model .* from column \d, by task.exclude or task.features. List",
    ):
        built(folder, objectives=(5, 6), **settings)
    built(folder, objectives=(5, 6), base={"columns": [1, 2, 3]}, **settings)


def test_a_shifted_column_that_no_tree_reads_is_no_matter(written, values, model, built):
    values[:, 1] = 7
    model(values[:, [0, 2, 1]])  # its third feature is constant
    built(written(values[:, [0, 2, 3, 1]]), objectives=(3,))


def test_names_that_the_data_knows_must_agree(written, values, model, built):
    from moft_ltr.data.dataset import open_dataset
    from moft_ltr.data.readers.svmlight import convert

    model(values[:, :3], names=["clicks", "a", "b"])
    folder = written(values)
    for split in ("train", "vali", "test"):
        convert(folder / f"{split}.txt", folder / split, labels={"clicks": 4, "other": 5})
        (folder / f"{split}.txt").unlink()
    assert open_dataset(folder / "train", folder).labels["clicks"] == 4
    with pytest.raises(ConfigError, match=r"is 'clicks', but would be read from column 1, and the data says .* is column 4"):
        built(folder)


def test_a_feature_named_as_a_label_is_noted_where_the_columns_are_listed(written, values, model, built):
    """Such as the clicks of the past, beside the label."""
    from moft_ltr.data.readers.svmlight import convert

    model(values[:, :3], names=["clicks", "a", "b"])
    folder = written(values)
    for split in ("train", "vali", "test"):
        convert(folder / f"{split}.txt", folder / split, labels={"clicks": 4, "other": 5})
        (folder / f"{split}.txt").unlink()
    _, notes = built(folder, base={"columns": [1, 2, 3]})
    told = (
        "The base model's feature 'clicks' is read from column 1, as task.base.columns says. The data has a label of the same "
        "name in column 4."
    )
    assert told in notes


def test_names_and_labels_that_the_model_reads_are_noted(written, values, model, built):
    model(values[:, :4], names=["bm25", "age", "price", "clicks"])
    values[:, 2] += values[:, 3]
    _, notes = built(written(values), base={"columns": [1, 2, 3, 4]})
    assert any("reads its features by column: bm25 from 1, " in note for note in notes)
    model(values[:, [0, 1, 3]])
    _, notes = built(written(values), base={"columns": [1, 2, 4]})
    assert any("The base model reads column 4, the label of 'objective-4'" in note for note in notes)


def test_numbers_that_do_not_fit_into_32_bits_are_told_with_their_line(written, values, model, built):
    values[:, 0] = 2**24 + np.random.default_rng(0).permutation(len(values))
    model(values[:, :3], max_bin=500, min_data_in_bin=1, min_data_in_leaf=1, num_leaves=200)
    with pytest.raises(
        DataError, match=r"train.txt:\d+: the LightGBM model scores this line .* after moft has read it with 32 bits"
    ):
        built(written(values))


def test_scores_far_from_zero_keep_their_order(written, values, built, tmp_path):
    """With 32 bits, scores of a million and a range of one would be nearly all the same."""
    labels = values[:, 0] + 1e6
    given = {"objective": "regression", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5}
    booster = lightgbm.train(given, lightgbm.Dataset(values[:, :3], labels), num_boost_round=5)
    booster.save_model(tmp_path / "model.txt")
    found, _ = built(written(values))
    expected = booster.predict(values[:, :3], raw_score=True)
    list(found.batches("test"))
    reference = found._stores["test"].reference
    assert len(reference.unique()) == len(np.unique(expected))
    assert_close(reference, torch.tensor((expected - expected.mean()) / expected.std(ddof=1)).float(), rtol=1e-4, atol=1e-4)
