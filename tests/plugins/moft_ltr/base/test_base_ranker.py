"""Base rankers: a network trained on relevance, a column, or a LightGBM model file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from moft import ConfigError, DataError
from moft.api import import_lightgbm, load_booster, parse_lightgbm, tensor_to_text, text_to_tensor
from moft.engine.training.jobs.job_records import NoRecords
from moft.engine.training.trainer import AccelerateTrainer
from moft.engine.training.trainer_settings import TrainerSettings
from moft.types import Injection
from moft_losses.listnet import ListNet
from moft_ltr.base.base_ranker import NeuralBase, base_weights
from moft_ltr.base.lightgbm_model import LightGBMModel, read_model_text
from moft_ltr.data.features.feature_scaling import FeatureScaling
from moft_ltr.data.features.network_inputs import NetworkInputs
from moft_ltr.metrics.ndcg import ndcg, ranking


def relevance_ndcg(scores, split):
    """Mean NDCG@10 of the main labels."""
    values = []
    for batch in split:
        order = ranking(scores(batch).unsqueeze(0), batch.items, 10)
        values.append(ndcg(order, batch.main, batch.items, "exp2", "skip")[0])
    return torch.cat(values).nanmean().item()


class TrainingJobs(NoRecords):
    """Remembers which jobs ran, and what was measured in them."""

    def __init__(self):
        self.values = []

    def step(self, step, values):
        self.values.append(values)


@pytest.mark.slow
def test_a_neural_base_learns_to_rank_by_relevance(task):
    built = task(base={"name": "neural", "epochs": 30, "width": 16, "layers": 1, "learning_rate": 0.01})
    jobs = TrainingJobs()
    built.prepare(AccelerateTrainer(TrainerSettings(epochs=1, device="cpu", evaluations=5), seed=0, records=jobs))
    assert {values["job"] for values in jobs.values} == {"base"}
    assert jobs.values[-1]["epochs"] == 30
    assert max(values["learning_rate"] for values in jobs.values) == pytest.approx(0.01, rel=0.1)
    of_reference = relevance_ndcg(lambda batch: batch.reference, built.batches("train"))
    of_nothing = relevance_ndcg(lambda batch: torch.zeros_like(batch.reference), built.batches("train"))
    assert of_reference > of_nothing + 0.1


def _inputs(features):
    zeros = np.zeros(features, dtype=np.float32)
    return NetworkInputs(FeatureScaling(zeros.astype(bool), zeros, zeros + 1), np.zeros(0, dtype=np.int64), {})


def test_the_best_weights_on_the_validation_lists_are_kept(task):
    built = task(base={"name": "neural", "epochs": 6, "width": 8, "layers": 1})
    jobs = TrainingJobs()
    built.prepare(AccelerateTrainer(TrainerSettings(epochs=1, device="cpu", evaluations=6), seed=0, records=jobs))
    measured = [values["validation_ndcg"] for values in jobs.values if "validation_ndcg" in values]
    assert len(measured) == 6
    kept = relevance_ndcg(lambda batch: batch.reference, built.batches("validation"))
    assert kept == pytest.approx(max(measured), abs=1e-6)


def test_a_network_without_a_correction_is_a_plain_ranker():
    network = NeuralBase(ListNet(), width=8, heads=2, layers=1).network(_inputs(3))
    assert not network.spec.is_correction
    assert network.input.in_features == 3


def test_heads_must_divide_the_width():
    with pytest.raises(ConfigError, match="heads: 3 does not divide width 8; choose a divisor"):
        NeuralBase(ListNet(), width=8, heads=3)


def test_the_networks_weights_are_found_in_a_state():
    state = {"base.a": torch.ones(1), "scaling.mean": torch.zeros(1)}
    assert list(base_weights(state)) == ["a"]


def test_text_survives_as_a_tensor():
    text = "tree\nversion=v4\ncaf\u00e9\n"
    assert tensor_to_text(text_to_tensor(text)) == text


def test_a_kept_model_that_is_no_text_is_told():
    with pytest.raises(DataError, match="the LightGBM model that the run keeps is damaged: it is not text"):
        tensor_to_text(torch.tensor([116, 255, 254], dtype=torch.uint8))


def features_of(path):
    """Features, relevance and list lengths of an svmlight file of ten columns."""
    rows = [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]
    values = np.array([[float(field.partition(":")[2]) for field in row[2:]] for row in rows])
    _, lengths = np.unique([int(row[1][4:]) for row in rows], return_counts=True)
    return values, np.array([float(row[0]) for row in rows]), lengths


@pytest.fixture
def model_file(lists, tmp_path):
    """Trains a small LightGBM ranker on the given columns, from 1."""
    lightgbm = pytest.importorskip("lightgbm")

    def made(columns, **settings):
        values, relevance, lengths = features_of(lists / "train.txt")
        data = lightgbm.Dataset(values[:, np.array(columns) - 1], relevance, group=lengths)
        given = {"objective": "lambdarank", "min_data_in_leaf": 5, "num_leaves": 4, "verbose": -1, "num_threads": 1, **settings}
        if given["objective"] != "lambdarank":
            data = lightgbm.Dataset(values[:, np.array(columns) - 1], relevance)
        booster = lightgbm.train(given, data, num_boost_round=5)
        path = tmp_path / "model.txt"
        booster.save_model(path)
        return path, booster

    return made


@pytest.mark.parametrize("columns", [None, [3, 1, 7]])
def test_scores_of_a_lightgbm_model_are_its_own_predictions(columns, model_file, prepared, lists):
    path, booster = model_file(columns or range(1, 9))
    built = prepared(base={"name": "lightgbm", "path": str(path), "columns": columns})
    values, _, _ = features_of(lists / "train.txt")
    raw = booster.predict(values[:, np.array(columns or range(1, 9)) - 1].astype(np.float32), raw_score=True)
    expected = torch.tensor((raw - raw.mean()) / raw.std(ddof=1)).float()
    found = torch.empty(len(expected))
    store = built._stores["train"]
    for batch in built.batches("train"):
        store.flat(batch.reference, batch, found)
    assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_lightgbm_model_lives_on_in_the_state_when_its_file_is_gone(model_file, prepared, task):
    path, _ = model_file(range(1, 9))
    base = {"name": "lightgbm", "path": str(path)}
    first = prepared(base=base)
    path.unlink()
    again = task(base=base)
    again.restore(first.state())
    for one, other in zip(first.batches("test"), again.batches("test"), strict=True):
        assert one.reference.equal(other.reference)


def test_a_model_of_other_columns_is_refused(model_file, prepared):
    path, _ = model_file([1, 2, 3])
    with pytest.raises(ConfigError, match=r"\[task.base.columns\] the LightGBM model reads 3 features, but it gets 8 columns"):
        prepared(base={"name": "lightgbm", "path": str(path)})
    with pytest.raises(DataError, match=r"task.base.columns: there is no column 99"):
        prepared(base={"name": "lightgbm", "path": str(path), "columns": [1, 2, 99]})


def test_a_model_of_several_scores_is_refused(model_file, prepared):
    path, _ = model_file(range(1, 9), objective="multiclass", num_class=5)
    with pytest.raises(DataError, match="the LightGBM model gives 5 scores for each document; a ranker gives one"):
        prepared(base={"name": "lightgbm", "path": str(path)})


def test_a_model_that_scores_all_alike_is_refused(model_file, prepared):
    path, _ = model_file(range(1, 9), min_data_in_leaf=10**6)
    with pytest.raises(
        DataError, match=r"\[task.base\] every training document has the base score .*; choose a base ranker that ranks them"
    ) as error:
        prepared(base={"name": "lightgbm", "path": str(path)})
    assert ": the trees never split; " in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read the LightGBM model"),
        (b"{}", "is not a LightGBM model file: it begins with '{}', not with 'tree'"),
        (b"tree\xff", "cannot read the LightGBM model"),
        (b"tree\nversion=v4\nnothing else\n", "is truncated or not a LightGBM model file: 'num_class=' is missing"),
    ],
)
def test_a_file_that_is_no_model_is_refused(content, message, tmp_path, capfd):
    pytest.importorskip("lightgbm")
    path = tmp_path / "model.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        load_booster(parse_lightgbm(read_model_text(LightGBMModel(str(path)))))
    assert "\n" not in str(error.value)
    assert capfd.readouterr().err == ""


def test_a_model_that_is_cut_short_is_refused(model_file):
    path, _ = model_file(range(1, 9))
    path.write_text(path.read_text()[:800])
    with pytest.raises(DataError, match="is truncated or not a LightGBM model file: 'end of trees' is missing"):
        read_model_text(LightGBMModel(str(path)))


def test_without_lightgbm_its_package_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lightgbm", None)
    with pytest.raises(ConfigError, match="trees need the package lightgbm: pip install"):
        import_lightgbm()


def test_an_untrained_base_scores_by_its_network(prepared):
    built = prepared(base={"name": "neural", "epochs": 1, "width": 8, "layers": 1})
    settings = replace(NeuralBase(ListNet()), width=8, layers=1)
    network = settings.network(_inputs(8))
    network.load_state_dict(base_weights(built.state()))
    mean, deviation = built.state()["reference"].tolist()
    for batch in built.batches("test"):
        with torch.no_grad():
            scores = (network(batch.inputs, Injection()) - mean) / deviation
        assert_close(batch.reference[batch.items], scores[batch.items], rtol=1e-5, atol=1e-5)
