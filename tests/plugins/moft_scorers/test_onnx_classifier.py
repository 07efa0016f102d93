"""An ONNX classifier as a scorer: its inputs, fixed sizes and outputs, and the mistakes of its settings."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from torch import tensor
from torch.testing import assert_close

from moft import ConfigError, DataError
from moft.api import Scorer, component
from moft.testing import check_scorer
from moft_scorers.onnx_classifier import Onnx

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed; it is in the group 'test'")
pytest.importorskip("onnx", reason="onnx is not installed; it is in the group 'test'")

TABLE = torch.randn(9, 2, generator=torch.Generator().manual_seed(0))
WORDS = {"[PAD]": 0, "good": 3, "bad": 4, "the": 5, "dog": 6, "ran": 7, ".": 8}
PROMPTS = ["the dog", "ran .", ""]
RESPONSES = ["good", "the dog ran . bad dog", "bad dog"]


def summed(*texts, padding=0):
    """`[texts, labels]`: the sum of the tokens' rows, and that of so much padding."""
    return torch.stack([TABLE[[WORDS[word] for word in text.split()] + [0] * padding].sum(0) for text in texts])


@pytest.mark.parametrize(
    ("given", "settings"),
    [
        ({}, {}),
        ({"inputs": ("input_ids",)}, {}),
        ({"shape": (1, 16)}, {}),
        ({"shape": (4, "time"), "kind": "INT32"}, {"sign": -1, "activation": "softmax"}),
        ({"shape": (3, 16), "inputs": ("input_ids",)}, {"activation": "sigmoid"}),
        ({"inputs": ("input_ids", "attention_mask", "token_type_ids")}, {"reads": "pair", "tokens_per_batch": 64}),
    ],
)
def test_an_onnx_classifier_keeps_the_contract(onnx_file, tmp_path, given, settings):
    check_scorer(Onnx(model=str(onnx_file(tmp_path, TABLE, **given)), label=1, **settings))


@pytest.mark.parametrize("shape", [("batch", "time"), (2, "time"), (1, 8), (5, 8)])
@pytest.mark.parametrize("kind", ["INT64", "INT32"])
def test_the_score_is_the_output_of_the_label_without_padding(onnx_file, tmp_path, shape, kind):
    path = onnx_file(tmp_path, TABLE, shape=shape, kind=kind)
    assert_close(Onnx(model=str(path), label=1)(PROMPTS, RESPONSES), summed(*RESPONSES)[:, 1])


def test_without_a_mask_texts_of_any_length_are_not_padded(onnx_file, tmp_path):
    path = onnx_file(tmp_path, TABLE, inputs=("input_ids",))
    assert_close(Onnx(model=str(path), label=0)(PROMPTS, RESPONSES), summed(*RESPONSES)[:, 0])


def test_without_a_mask_a_fixed_length_is_filled_with_padding(onnx_file, tmp_path):
    path = onnx_file(tmp_path, TABLE, inputs=("input_ids",), shape=(1, 8))
    assert_close(Onnx(model=str(path), label=0)([""], ["bad dog"]), summed("bad dog", padding=6)[:, 0])


def test_activations_go_over_the_labels(onnx_file, tmp_path):
    path = str(onnx_file(tmp_path, TABLE))
    expected = summed(*RESPONSES)
    assert_close(Onnx(model=path, label=1, activation="softmax")(PROMPTS, RESPONSES), expected.softmax(1)[:, 1])
    assert_close(Onnx(model=path, label=1, activation="sigmoid", sign=-1)(PROMPTS, RESPONSES), -expected.sigmoid()[:, 1])


def test_a_label_is_found_by_its_name_in_the_config_beside_the_model(onnx_file, tmp_path):
    path = onnx_file(tmp_path, TABLE)
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"0": "fine", "1": "toxic"}}))
    scorer = Onnx(model=str(path), label="toxic", sign=-1)
    assert_close(scorer(PROMPTS, RESPONSES), -summed(*RESPONSES)[:, 1])
    assert scorer.meaning == "minus output 'toxic' of model.onnx; larger is better"


def test_a_model_of_one_output_needs_no_label(onnx_file, tmp_path):
    path = onnx_file(tmp_path, TABLE[:, :1])
    assert_close(Onnx(model=str(path))(PROMPTS, RESPONSES), summed(*RESPONSES)[:, 0])


def test_of_a_pair_the_second_text_has_the_types(onnx_file, tmp_path):
    path = onnx_file(tmp_path, TABLE, inputs=("input_ids", "attention_mask", "token_type_ids"))
    assert_close(Onnx(model=str(path), label=0, reads="pair")(["the dog"], ["ran ."]), summed("ran .")[:, 0])


def test_inputs_and_outputs_are_found_by_the_names_that_are_given(onnx_file, tmp_path):
    path = onnx_file(tmp_path, TABLE, inputs=("tokens", "counts"), outputs=("other", "mine"))
    scorer = Onnx(model=str(path), label=0, ids="tokens", mask="counts", output="mine")
    assert_close(scorer(PROMPTS, RESPONSES), summed(*RESPONSES)[:, 0])


def test_a_text_that_is_too_long_loses_its_end(onnx_file, tmp_path):
    path = str(onnx_file(tmp_path, TABLE, shape=("batch", 4)))
    expected = summed("the dog ran .")[:, 0]
    assert_close(Onnx(model=path, label=0)([""], RESPONSES[1:2]), expected)
    assert_close(Onnx(model=path, label=0, max_length=2)([""], RESPONSES[1:2]), summed("the dog")[:, 0])


def test_the_tokenizer_may_lie_elsewhere(onnx_file, tmp_path):
    path = onnx_file(tmp_path / "model", TABLE)
    moved = path.with_name("tokenizer.json").rename(tmp_path / "words.json")
    assert_close(Onnx(model=str(path), tokenizer=str(moved), label=0)([""], ["good"]), summed("good")[:, 0])


def test_a_score_that_is_no_number_is_refused_with_its_response(onnx_file, tmp_path):
    table = TABLE.clone()
    table[6] = torch.inf
    scorer = Onnx(model=str(onnx_file(tmp_path, table)), label=0)
    with pytest.raises(DataError, match=r"model\.onnx: the score of response 2 of 3 is inf; scores must be finite\.$"):
        scorer(PROMPTS, RESPONSES)


MISTAKES = {
    "no such file": ({}, {"model": "gone.onnx"}, "[x] model: gone.onnx is not a file; it must be a model in ONNX."),
    "no tokenizer": (
        {},
        {"tokenizer": "gone.json"},
        "[x] tokenizer: gone.json is not a file; it must be the tokenizer.json of the model.",
    ),
    "no label of several": ({}, {}, "[x] label: choose one; m/model.onnx has 2 outputs, 0 to 1."),
    "a label beyond the last": ({}, {"label": 2}, "[x] label: there is no output 2; m/model.onnx has 2, counted from 0."),
    "a label without names": (
        {},
        {"label": "toxic"},
        "[x] label: m/config.json has no id2label with names. Give the label's number, from 0.",
    ),
    "an output that is not there": (
        {},
        {"label": 0, "output": "scores"},
        "[x] output: the model has no 'scores'; it has logits.",
    ),
    "several outputs": ({"outputs": ("a", "b")}, {"label": 0}, "[x] output: the model has no 'logits'; it has a, b."),
    "tokens by another name": (
        {"inputs": ("tokens",)},
        {"label": 0},
        "[x] ids: the model has no input 'input_ids'; it has tokens.",
    ),
    "a mask that is not there": (
        {"inputs": ("input_ids",)},
        {"label": 0, "mask": "attention_mask"},
        "[x] mask: the model has no input 'attention_mask'; it has input_ids.",
    ),
    "an input of its own": (
        {"inputs": ("input_ids", "position_ids")},
        {"label": 0},
        "[x] model: its input 'position_ids' is unknown; moft provides ids, mask and types only.",
    ),
    "more tokens than it takes": (
        {"shape": ("batch", 8)},
        {"label": 0, "max_length": 9},
        "[x] max_length: 9 is too long; the model takes 8 tokens.",
    ),
    "a negative label": ({}, {"label": -1}, "x.label: must be at least 0 or text, got -1."),
}


@pytest.mark.parametrize(("given", "settings", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_line(plugins, onnx_file, tmp_path, monkeypatch, given, settings, message):
    monkeypatch.chdir(tmp_path)
    onnx_file(tmp_path / "m", TABLE, **given)
    with pytest.raises(ConfigError) as caught:
        component(Scorer, {"name": "onnx", "model": "m/model.onnx"} | settings, plugins, "x")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("model.onnx", "model", "model: m/model.onnx is not a model that ONNX Runtime can read: "),
        ("tokenizer.json", "tokenizer", "tokenizer: m/tokenizer.json is not a tokenizer.json: "),
    ],
)
def test_a_file_that_is_something_else_is_told_in_one_line(onnx_file, tmp_path, monkeypatch, name, setting, message):
    monkeypatch.chdir(tmp_path)
    onnx_file(tmp_path / "m", TABLE)
    (tmp_path / "m" / name).write_text("hello")
    with pytest.raises(ConfigError) as caught:
        Onnx(model="m/model.onnx", label=0)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_an_unknown_label_is_told_with_the_known_ones(onnx_file, tmp_path):
    path = onnx_file(tmp_path, TABLE)
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"0": "fine", "1": "toxic"}}))
    with pytest.raises(ConfigError, match=r"label: .*config\.json has no 'toxi'; it has fine, toxic\.$"):
        Onnx(model=str(path), label="toxi")


def test_a_model_that_fails_on_tokens_is_told_in_one_line(onnx_file, tmp_path):
    path = onnx_file(tmp_path, TABLE[:4])
    scorer = Onnx(model=str(path), label=0)
    with pytest.raises(ConfigError, match=r"model\.onnx fails on 1 rows of 2 tokens: ") as caught:
        scorer([""], ["bad dog"])
    assert "\n" not in str(caught.value)


def test_without_the_package_the_extra_is_named(plugins, monkeypatch, onnx_file, tmp_path):
    path = onnx_file(tmp_path, TABLE)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError) as caught:
        component(Scorer, {"name": "onnx", "model": str(path)}, plugins, "--scorer safe")
    assert str(caught.value) == "--scorer safe: scorer 'onnx' needs the package onnxruntime: pip install 'moft[scorers]'."


def test_no_response_has_no_score(onnx_file, tmp_path):
    assert_close(Onnx(model=str(onnx_file(tmp_path, TABLE)), label=0)([], []), tensor([]))
