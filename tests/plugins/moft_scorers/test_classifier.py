"""A transformers sequence classifier as a scorer: scales, what it reads, lengths, and the mistakes of its settings."""

from __future__ import annotations

import json
import shutil

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants
from torch import tensor
from torch.testing import assert_close
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DistilBertModel,
    GPT2Config,
    GPT2ForSequenceClassification,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from moft import ConfigError, DataError
from moft.api import Scorer, component
from moft.files import hub
from moft.testing import check_scorer
from moft_scorers.classifier import Classifier
from moft_scorers.classifier_loading import load_classifier

PROMPTS = ["the dog", "ran", "", "bad bad"]
RESPONSES = ["good", "the dog ran . the dog ran .", "", "bad dog"]
CHAT = "{% for turn in messages %}{{ '[EOS]' if turn.role == 'assistant' else 'the' }} {{ turn.content }} {% endfor %}"


@pytest.fixture
def folder(classifier_folder, tmp_path):
    """A copy of the classifier's folder, to change."""
    return shutil.copytree(classifier_folder, tmp_path / "classifier")


def saved(model, folder, word_tokenizer, **tokens):
    """The folder of a model with the tokenizer of words."""
    torch.manual_seed(0)
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=word_tokenizer(), unk_token="[UNK]", **tokens).save_pretrained(folder)
    return str(folder)


def outputs_of(folder, *texts):
    """`[1, labels]`, what the model says of one text or pair."""
    network = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        return network(**tokenizer(*texts, return_tensors="pt")).logits


@pytest.mark.parametrize("reads", ["response", "pair"])
@pytest.mark.parametrize("scale", ["probability", "log-odds", "logit"])
def test_a_classifier_keeps_the_contract(classifier_folder, scale, reads):
    check_scorer(Classifier(model=str(classifier_folder), label="good", scale=scale, reads=reads, tokens_per_batch=64))


def test_a_decoder_without_a_padding_token_keeps_the_contract(tmp_path, word_tokenizer):
    config = GPT2Config(vocab_size=9, n_embd=16, n_layer=1, n_head=2, n_positions=32, num_labels=1, initializer_range=0.5)
    folder = saved(GPT2ForSequenceClassification(config), tmp_path / "reward", word_tokenizer, eos_token="[EOS]")
    check_scorer(Classifier(model=folder, scale="logit"))


def test_positions_that_begin_behind_the_padding_token_are_not_exceeded(tmp_path, word_tokenizer):
    config = RobertaConfig(
        vocab_size=9, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=34, pad_token_id=1, type_vocab_size=2, num_labels=2,
    )  # fmt: skip
    folder = saved(RobertaForSequenceClassification(config), tmp_path / "roberta", word_tokenizer, pad_token="[UNK]")
    check_scorer(Classifier(model=folder, label="LABEL_1", reads="pair"))
    with pytest.raises(ConfigError, match="max_length: 33 is too long; the model has positions for 32 tokens"):
        Classifier(model=folder, label="LABEL_1", max_length=33)


def test_the_logit_is_the_bare_output_of_the_label(classifier_folder):
    scores = Classifier(model=str(classifier_folder), label="good", scale="logit")(PROMPTS[:2], RESPONSES[:2])
    assert_close(scores, torch.cat([outputs_of(classifier_folder, text)[:, 1] for text in RESPONSES[:2]]))


def test_the_probability_is_the_softmax_and_the_log_odds_are_of_it(classifier_folder):
    first = outputs_of(classifier_folder, RESPONSES[1]).softmax(1)[:, 0]
    made = {scale: Classifier(model=str(classifier_folder), label="bad", scale=scale) for scale in ("probability", "log-odds")}
    assert_close(made["probability"]([""], RESPONSES[1:2]), first)
    assert_close(made["log-odds"]([""], RESPONSES[1:2]), (first / (1 - first)).log())


def test_labels_that_exclude_each_other_not_have_probabilities_of_their_own(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"problem_type": "multi_label_classification"}))
    found = Classifier(model=str(folder), label="bad")([""], RESPONSES[1:2])
    assert_close(found, outputs_of(folder, RESPONSES[1])[:, 0].sigmoid())


def test_a_model_of_one_output_needs_no_label(tmp_path, word_tokenizer):
    config = GPT2Config(vocab_size=9, n_embd=16, n_layer=1, n_head=2, n_positions=32, num_labels=1, pad_token_id=0)
    folder = saved(GPT2ForSequenceClassification(config), tmp_path / "reward", word_tokenizer, pad_token="[PAD]")
    expected = outputs_of(folder, "the dog")[:, 0]
    assert_close(Classifier(model=folder, scale="logit")([""], ["the dog"]), expected)
    assert_close(Classifier(model=folder)([""], ["the dog"]), expected.sigmoid())


def test_a_sign_of_minus_one_turns_the_score_around(classifier_folder):
    plain, turned = (Classifier(model=str(classifier_folder), label="good", sign=sign) for sign in (1, -1))
    assert_close(turned(PROMPTS, RESPONSES), -plain(PROMPTS, RESPONSES))
    assert (plain.meaning.split()[0], turned.meaning.split()[0]) == ("probability", "minus")


def test_a_pair_is_the_prompt_and_the_response(classifier_folder):
    scores = Classifier(model=str(classifier_folder), label="good", scale="logit", reads="pair")(["the dog"], ["ran ."])
    assert_close(scores, outputs_of(classifier_folder, "the dog", "ran .")[:, 1])


def test_a_chat_is_what_the_template_makes_of_both_and_keeps_its_end(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    chat = {"model": str(folder), "label": "good", "scale": "logit", "reads": "chat"}
    assert_close(Classifier(**chat)(["dog"], ["ran ."]), outputs_of(folder, "the dog [EOS] ran .")[:, 1])
    assert_close(Classifier(**chat, max_length=2)(["dog"], ["bad ran"]), outputs_of(folder, "bad ran")[:, 1])


ENDLESS = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"


@pytest.mark.parametrize(
    ("template", "error", "told"),
    [
        (ENDLESS, ConfigError, r"^reads: the chat template of .*classifier does not end within 0\.3 s\. Set reads: response or"),
        ("{% for %}", ConfigError, r"^reads: the chat template of .*classifier cannot be read \(line 1: .*\)\. Set reads:"),
        ("{% if messages[1].content %}" + ENDLESS + "{% endif %}", DataError, r"^the chat template of .*classifier does not end"),
        ("{{ raise_exception('no') }}", DataError, r"^the chat template of .*classifier rejects the chat \(no\)\.$"),
    ],
)
def test_a_chat_template_that_does_not_end_is_one_line(template, error, told, folder, monkeypatch):
    monkeypatch.setattr("moft.engine.data.bounded_rendering.SECONDS", 0.3)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    with pytest.raises(error, match=told):
        Classifier(model=str(folder), label="good", reads="chat")(["dog"], ["ran ."])


def test_a_response_that_is_too_long_loses_its_end(classifier_folder):
    scores = Classifier(model=str(classifier_folder), label="good", scale="logit", max_length=2)([""], ["good dog ran ."])
    assert_close(scores, outputs_of(classifier_folder, "good dog")[:, 1])


def test_the_size_of_batches_changes_nothing(classifier_folder):
    scores = [
        Classifier(model=str(classifier_folder), label="good", tokens_per_batch=budget)(PROMPTS, RESPONSES) for budget in (1, 999)
    ]
    assert_close(*scores)


def test_weights_in_bfloat16_give_nearly_the_same(classifier_folder):
    made = {dtype: Classifier(model=str(classifier_folder), label="good", dtype=dtype) for dtype in ("float32", "bfloat16")}
    scores = {dtype: scorer(PROMPTS, RESPONSES) for dtype, scorer in made.items()}
    assert scores["bfloat16"].dtype == torch.float32
    assert_close(scores["bfloat16"], scores["float32"], atol=0.05, rtol=0.05)
    assert not torch.equal(scores["bfloat16"], scores["float32"])


def test_a_score_that_is_no_number_is_refused_with_its_response(classifier_folder):
    scorer = Classifier(model=str(classifier_folder), label="good")
    with torch.no_grad():
        scorer._network.distilbert.embeddings.word_embeddings.weight[6] = torch.nan  # dog
    with pytest.raises(DataError, match=r"the score of response 2 of 3 is nan; scores must be finite\.$"):
        scorer(["", "", ""], ["good", "the dog", "ran"])


@pytest.fixture
def without_hub(monkeypatch, tmp_path, classifier_folder):
    """The cache of the hub has `owner/model`; the hub cannot be reached."""
    hub.note_hub_request.cache_clear(), hub._is_reachable.cache_clear()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)

    def refuse(*given, **settings):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", refuse)
    monkeypatch.setattr(huggingface_hub.file_download, "get_hf_file_metadata", refuse)
    model = tmp_path / "hub" / "models--owner--model"
    shutil.copytree(classifier_folder, model / "snapshots" / "0123456789")
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("0123456789")


@pytest.mark.usefixtures("without_hub")
def test_a_hub_that_is_not_there_is_asked_once(capsys):
    assert load_classifier("owner/model", torch.float32)[0] is not None
    assert constants.is_offline_mode()
    assert "owner/model: the Hugging Face hub cannot be reached, so the copy in its cache is used." in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"^model: owner/other: no such folder, and the hub's cache has no config\.json of it"):
        load_classifier("owner/other", torch.float32)


@pytest.mark.usefixtures("without_hub")
def test_a_classifier_that_only_the_hub_may_have_is_refused_at_once():
    with pytest.raises(ConfigError, match=r"^model: owner/other: no such folder, and the Hugging Face hub cannot be reached"):
        load_classifier("owner/other", torch.float32)


MISTAKES = {
    "a label that is not there": (
        {"label": "great"},
        r"^\[x\] label: there is no 'great'; .*classifier has bad, good\.$",
    ),
    "no label of several": ({}, r"^\[x\] label: choose one; .*classifier has bad, good\.$"),
    "a chat without a template": (
        {"label": "good", "reads": "chat"},
        r"^\[x\] reads: the tokenizer of .*classifier has no chat template\. Set reads: response or pair\.$",
    ),
    "more tokens than positions": (
        {"label": "good", "max_length": 33},
        r"^\[x\] max_length: 33 is too long; the model has positions for 32 tokens\.$",
    ),
    "no such folder": (
        {"model": "./gone"},
        r"^\[x\] model: \./gone is not a folder\. A model is a folder, or a name on the Hugging Face hub such as owner/model\.$",
    ),
    "an unknown scale": (
        {"scale": "percent"},
        r"^x\.scale: must be 'probability', 'log-odds' or 'logit', got 'percent'\.$",
    ),
}


@pytest.mark.parametrize(("settings", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_the_settings_is_one_line(plugins, classifier_folder, settings, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "classifier").symlink_to(classifier_folder)
    with pytest.raises(ConfigError, match=message):
        component(Scorer, {"name": "classifier", "model": "classifier"} | settings, plugins, "x")


def _without_head(folder):
    network = AutoModelForSequenceClassification.from_pretrained(folder)
    DistilBertModel.save_pretrained(network.distilbert, folder)


def _pickled(folder):
    network = AutoModelForSequenceClassification.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save(network.state_dict(), folder / "pytorch_model.bin")


def _without_tokenizer(folder):
    for path in folder.glob("*token*"):
        path.unlink()


def _with_code(folder):
    config = json.loads((folder / "config.json").read_text())
    own = {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config", "AutoModelForSequenceClassification": "mine.Model"}}
    (folder / "config.json").write_text(json.dumps(config | own))
    (folder / "mine.py").write_text("raise SystemExit('the code of the folder was run')")


def _with_more_tokens(folder):
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"]["vocab"]["cat"] = 9
    (folder / "tokenizer.json").write_text(json.dumps(content))


def _without_padding(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, unk_token="[UNK]").save_pretrained(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            _without_head,
            r"model: .*classifier has no weights classifier\.bias, classifier\.weight, .*not a trained classifier",
        ),
        (_pickled, "model: .*classifier: no classifier in safetensors with a tokenizer can be read: "),
        (_without_tokenizer, r"model: .*classifier has no tokenizer\.json, or one without a vocabulary\.$"),
        (_with_code, "model: .*classifier: no classifier in safetensors with a tokenizer can be read: "),
        (_with_more_tokens, "the tokenizer of .*classifier has 10 tokens, the model 9; they belong to different models"),
        (_without_padding, "the tokenizer of .*classifier needs a padding token or an end-of-sequence token"),
        (lambda folder: (folder / "config.json").unlink(), "model: .*classifier: no classifier in safetensors with a tokenizer"),
    ],
)
def test_a_folder_that_cannot_be_used_is_told_in_one_line(folder, change, message):
    change(folder)
    with pytest.raises(ConfigError, match=message) as caught:
        Classifier(model=str(folder), label="good")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused(classifier_folder):
    with pytest.raises(
        ConfigError, match=r"device: cuda is not available, because torch finds no CUDA device\. Set device: auto or cpu"
    ):
        Classifier(model=str(classifier_folder), label="good", device="cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_scores_of_the_cpu(classifier_folder):
    scores = [
        Classifier(model=str(classifier_folder), label="good", device=place)(PROMPTS, RESPONSES) for place in ("cpu", "auto")
    ]
    assert scores[1].device.type == "cpu"
    assert_close(*scores, atol=1e-4, rtol=1e-4)


def test_no_response_has_no_score(classifier_folder):
    assert_close(Classifier(model=str(classifier_folder), label="good")([], []), tensor([]))
