"""The language-model task keeps the contracts, and every method trains on it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close
from transformers import AutoTokenizer

from moft import ConfigError, DataError
from moft.api import (
    ConditionedPolicy,
    Injection,
    Tradeoff,
)
from moft.testing import check_policy, check_task
from moft_conditioners.hyper_prompt_tuning import HyperPromptTuning
from moft_llm.data.label_transforms import TextLabel
from moft_llm.data.readers.list_readers import Lists
from moft_llm.data.readers.mapping.column_reader import Columns
from moft_llm.network.forward_pass import padded_pass
from moft_llm.network.lora import LoRA
from moft_losses.unpaired_logistic import UnpairedLogistic


@pytest.fixture
def prepared(build, trainer):
    task = build()
    task.prepare(trainer)
    return task


def whole(task, split="test"):
    batches = task.batches(split)
    return batches.load(torch.arange(batches.lists))


def test_the_task_keeps_the_contract(prepared):
    check_task(prepared)


def test_reference_scores_are_those_of_the_base_model(prepared):
    batch = whole(prepared)
    model = prepared.model(2)
    assert_close(batch.reference, model.reference(batch.inputs), atol=1e-4, rtol=0)
    assert_close(batch.reference, model(batch.inputs, Injection()).detach(), atol=1e-4, rtol=0)  # LoRA starts at zero


def test_a_policy_with_a_prefix_for_each_row_keeps_the_contract(prepared):
    torch.manual_seed(0)
    model = prepared.model(2)
    policy = ConditionedPolicy(model, HyperPromptTuning(model.spec, tokens=3, rank=2), torch.tensor([[0.1, 0.5]]))
    check_policy(policy, whole(prepared), torch.tensor([[0.1, 0.5]]))


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("settings", [{}, {"lora": None}, {"prompt_tokens": 3, "max_length": 40}, {"lora": LoRA(rank=3)}])
def test_the_model_is_foreseen_without_its_weights(build, tiny_models, family, settings):
    targets = {"llama": ["up_proj", "self_attn.q_proj"], "gpt2": ["c_fc"]}
    if settings.get("lora"):
        settings = {"lora": LoRA(rank=3, targets=targets[family])}
    task = build(model=str(tiny_models(family)), **settings)
    model_spec = task.model_spec(2)
    assert task._base._loaded is None
    torch.manual_seed(0)
    found = task.model(2).spec
    assert replace(found, prefix_starts=None) == model_spec == task.model_spec(2)
    context = task._base.network.config.max_position_embeddings
    assert model_spec.max_prefix == context - settings.get("prompt_tokens", 0) - settings.get("max_length", 2)
    assert bool(model_spec.ranks) == ("gates" in model_spec.slots) == (settings.get("lora", True) is not None)


def test_a_model_that_is_not_there_cannot_be_foreseen(build, tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        build(model=str(tmp_path / "nowhere")).model_spec(2)


def test_a_model_that_cannot_be_tuned_is_told_so_before_its_layers_are_asked_for(build, tiny_models, tmp_path):
    from transformers import MambaConfig, MambaForCausalLM

    folder = shutil.copytree(tiny_models(), tmp_path / "mamba")
    MambaForCausalLM(MambaConfig(vocab_size=300, hidden_size=8, num_hidden_layers=1, state_size=2)).save_pretrained(folder)
    task = build(model=str(folder))
    for act in (task.model_spec, task.model):
        with pytest.raises(
            ConfigError, match="model: MambaForCausalLM has no attention heads in its config, so it cannot be tuned"
        ):
            act(2)


def test_targets_that_are_not_there_are_told_when_the_model_is_foreseen(build):
    with pytest.raises(ConfigError, match="targets: 'nothing' is not a linear layer of LlamaForCausalLM"):
        build(lora=LoRA(targets=["nothing"])).model_spec(2)


def test_references_are_computed_once_for_the_same_model_and_tokens(build, trainer, tmp_path, monkeypatch):
    first = build()
    first.prepare(trainer)
    expected = whole(first, "train").reference
    files = sorted((tmp_path / "cache" / "reference").glob("*.safetensors"))
    assert len(files) == 1
    again = build()
    monkeypatch.setattr("moft_llm.network.language_model.LanguageModel.reference", lambda *_: pytest.fail("computed again"))
    again.prepare(trainer)
    assert_close(whole(again, "train").reference, expected, rtol=0, atol=0)


def test_another_normalisation_has_a_reference_of_its_own(build, trainer):
    sums, means = build(), build(length_normalization=True)
    sums.prepare(trainer)
    means.prepare(trainer)
    batch, mean = whole(sums), whole(means)
    lengths = torch.stack([(batch.inputs["segments"] == k + 1).sum(1) for k in range(batch.items.shape[1])], dim=1)
    assert_close(mean.reference * lengths, batch.reference, atol=1e-3, rtol=0)


def test_a_cached_reference_of_something_else_is_refused(build, trainer, tmp_path):
    build().prepare(trainer)
    (path,) = (tmp_path / "cache" / "reference").glob("*.safetensors")
    from safetensors.torch import load_file, save_file

    save_file(load_file(path), path, metadata={"key": "another"})
    with pytest.raises(DataError, match=r"belong to another model or other data\. Remove the file"):
        build().prepare(trainer)
    path.write_bytes(b"not a file of tensors")
    with pytest.raises(DataError, match=r"cannot be read .*\. Remove the file"):
        build().prepare(trainer)


def test_a_restored_task_needs_the_same_base_model(prepared, build, tiny_models):
    state = prepared.state()
    same = build()
    same.restore(state)
    assert_close(whole(same).reference, whole(prepared).reference)
    with pytest.raises(DataError, match="not the base model of this run"):
        build(model=str(tiny_models("qwen2"))).restore(state)
    with pytest.raises(DataError, match="lacks 'base', so it is not of the language-model task"):
        build().restore({"scaling": torch.zeros(1)})


def test_lists_to_be_scored_need_no_labels(prepared, tmp_path):
    path = tmp_path / "unlabelled.jsonl"
    path.write_text(json.dumps({"prompt": "Say: ", "responses": ["sun", "moon and stars"]}) + "\n")
    (batch,) = prepared.read(path)
    assert not batch.mask.any()
    policy = ConditionedPolicy(prepared.model(2), None, torch.ones(1, 2))
    assert_close(
        policy(batch, Tradeoff(torch.tensor([[0.5, 0.5]]), torch.ones(1, 2))).detach(), batch.reference, atol=1e-4, rtol=0
    )


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"objectives": {}}, ConfigError, "is empty; give at least one objective"),
        ({"objectives": {"brief": TextLabel(label="short")}}, DataError, "no training prompt has the label 'short'.*brief, calm"),
        ({"max_length": 4096}, ConfigError, "max_length. 4096 is longer than the context of .*: 512 tokens"),
        (
            {"prompt_tokens": 600},
            ConfigError,
            "prompt_tokens. 600 tokens leave none for a prompt and a response in the context of",
        ),
        ({"model": "./nowhere"}, DataError, "no such folder"),
        (
            {"quantization": "4bit"},
            ConfigError,
            r"task.quantization. 4bit weights can only be tuned on a GPU\. Set task\.quantization: none",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line(build, trainer, settings, error, message):
    with pytest.raises(error, match=message):
        build(**settings).prepare(trainer)


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", ["{name: cos-dpo, conditioner: hpt}", "{name: dpo-ls, points: 3}", "dpo-soup", "{name: mo-dpo, points: 3}"]
)
def test_every_method_trains_saves_its_own_parameters_only_and_opens_again(tuned, method):
    from safetensors import safe_open

    import moft

    prompt_tokens = 0 if "hpt" in method else 2
    run = tuned(method, prompt_tokens=prompt_tokens)
    front = json.loads((run / "front.json").read_text())
    assert len(front["points"]) == 3
    assert {"brief accuracy", "calm loss", "calm margin"} <= set(front["points"][0]["more"])
    with safe_open(run / "policy" / "policy.safetensors", framework="pt") as file:
        names = list(file.keys())
    assert any("lora_A" in name for name in names)
    assert not any("embed_tokens" in name or "base_layer" in name for name in names)
    opened = moft.open_run(run, device="cpu")
    batches = opened.task.batches("test")
    scores = opened.policy(batches.load(batches.plan[0]), Tradeoff(torch.tensor([[0.5, 0.5]]), opened.trained_betas))
    assert torch.isfinite(scores).all()


def test_a_prefix_beside_the_longest_list_has_room_among_learned_positions(build, tiny_models, trainer, tmp_path):
    words = json.dumps({"prompt": "w" * 2000, "responses": ["a", "bb"], "labels": {"brief": [1, 0], "calm": [0, 1]}})
    rows = (tmp_path / "lists.jsonl").read_text()
    (tmp_path / "lists.jsonl").write_text(f"{words}\n{rows}")
    for model, room in (("gpt2", 0), ("llama", 510)):  # computed positions go on beyond the context
        task = build(model=str(tiny_models(model)))
        task.prepare(trainer)
        assert task.model(2).spec.max_prefix == room
    task = build(model=str(tiny_models("gpt2")), max_length=400)
    task.prepare(trainer)
    assert task.model(2).spec.max_prefix == 112


def test_one_response_alone_is_scored(prepared, tmp_path):
    (tmp_path / "one.jsonl").write_text('{"prompt": "Day 1: ", "responses": ["sun"]}\n{"prompt": "a", "responses": ["b", "b"]}\n')
    assert sorted(size for batch in prepared.read(tmp_path / "one.jsonl") for size in batch.items.sum(1).tolist()) == [1, 2]


def test_the_own_prompt_has_room_among_learned_positions(build, tiny_models):
    with pytest.raises(ConfigError) as error:
        build(model=str(tiny_models("gpt2")), max_length=510, prompt_tokens=3).batches("test")
    told = f"[task.max_length] 510 is longer than the context of {tiny_models('gpt2')}: 512 tokens minus 3 of task.prompt_tokens."
    assert str(error.value) == told
    build(model=str(tiny_models("gpt2")), max_length=509, prompt_tokens=3).batches("test")


@pytest.mark.parametrize(("window", "share_prompt"), [(None, True), (None, False), (16, True)])
def test_a_pass_keeps_its_budget_where_rows_are_taken_apart(build, tiny_models, trainer, monkeypatch, window, share_prompt):
    from moft_llm.network import language_model as module

    task, seen, plain = (
        build(model=str(tiny_models("mistral", sliding_window=window)), share_prompt=share_prompt),
        [],
        padded_pass,
    )

    def counted(network, rows, *rest):
        seen.append(rows.tokens.numel())
        return plain(network, rows, *rest)

    task.prepare(trainer)
    model = task.model(2)
    model._is_packable = False  # packed sequences have no padding to count
    monkeypatch.setattr(module, "padded_pass", counted)
    for batch in task.batches("train"):
        model.reference(batch.inputs)
        assert seen[-1] <= 512 or len(batch.lists) == 1


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"template": "{prompt} {prompt}"}, r"\[task\.template\] '\{prompt\} \{prompt\}' must be chat, none, or a format"),
        ({"max_length": 1}, r"\[task\.max_length\] 1 must be at least 2"),
        (
            {"max_length": 10, "max_response": 10},
            r"\[task\.max_response\] 10 must be from 1 to max_length - 1 = 9: the prompt needs a token",
        ),
    ],
)
def test_settings_that_leave_no_room_are_refused_before_anything_is_read(build, settings, told):
    with pytest.raises(ConfigError, match=told):
        build(**settings)


def test_a_run_on_a_base_with_an_adapter_opens_scores_generates_and_resumes(tuned, with_adapter, moft, tmp_path):
    run = shutil.copytree(tuned(model=with_adapter), tmp_path / "run")
    notes = json.loads((run / "front.json").read_text())["notes"]
    assert any("it is merged into that model, so policy and reference both start from the two together" in n for n in notes)
    data = tuned(model=with_adapter).parent
    assert moft("generate", run, "Day 1: ", "--weights", "0.5,0.5", "--greedy").code == 0
    said = moft("score", run, data / "lists.jsonl", "--weights", "0.5,0.5")
    assert (said.code, said.mistakes) == (0, [])
    said = moft("train", data / "config.yaml", "--out", run, "--resume")
    assert (said.code, [line for line in said.mistakes if "error" in line]) == (0, [])
    weights = with_adapter / "adapter_model.safetensors"
    other = shutil.copytree(with_adapter, tmp_path / "other") / weights.name
    save_file({name: value + 0.1 for name, value in load_file(weights).items()}, other)
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace(str(with_adapter), str(other.parent)))
    assert "not the base model of this run" in moft("score", run, data / "lists.jsonl", "--weights", "0.5,0.5").mistakes[0]


@pytest.fixture
def with_added_token(tiny_models, tmp_path):
    """A folder whose tokenizer has a token beyond the embeddings of the model, and a list that has it."""
    folder = shutil.copytree(tiny_models(), tmp_path / "added")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"<|{number}|>" for number in range(60)])
    tokenizer.save_pretrained(folder)
    return folder


TOLD = "the token '<|50|>' is number 308, but the model has embeddings of 300 tokens. Enlarge it with resize_token_embeddings"


@pytest.mark.parametrize("place", ["prompt", "response"])
def test_a_token_without_an_embedding_is_told_before_training(build, trainer, with_added_token, tmp_path, place):
    rows = [
        json.dumps({"prompt": f"{n}", "responses": ["a", "bb"], "labels": {"brief": [1, 0], "calm": [0, 1]}}) for n in range(39)
    ]
    given = {"prompt": "x", "responses": ["a", "b"]} | (
        {"prompt": "<|50|>"} if place == "prompt" else {"responses": ["a", "<|50|>"]}
    )
    rows.insert(3, json.dumps({**given, "labels": {"brief": [1, 0], "calm": [0, 1]}}))
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    task = build(model=str(with_added_token), data=Lists(str(tmp_path / "rows.jsonl")))
    with pytest.raises(DataError) as raised:
        [task._tokenized(split) for split in ("train", "validation", "test")]
    assert TOLD in str(raised.value)
    assert "rows.jsonl:4: " in str(raised.value)


@pytest.mark.parametrize("name", ["test.txt", "test.jsonl"])
def test_ranking_data_is_told_what_is_scored(build, tmp_path, name):
    (tmp_path / name).write_text("1 qid:1 1:3 2:0.5\n")
    with pytest.raises(DataError) as raised:
        build().read(tmp_path / name)
    assert 'A run of a language model scores rows of {"prompt"' in str(raised.value)
    assert "\n" not in str(raised.value)


def test_examples_are_the_first_validation_prompts_that_are_one_text(prepared):
    validation = [example.prompt for example in prepared._open().examples["validation"]]
    assert list(prepared.example_prompts(2)) == validation[:2]


def test_rows_of_one_response_train_a_loss_of_single_responses(build, trainer, tmp_path):
    rows = [{"prompt": f"question {i}", "completion": f"answer {i}", "label": i % 3 == 0} for i in range(40)]
    (tmp_path / "kto.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = Columns(str(tmp_path / "kto.jsonl"), {"good": "label"}, response="completion")
    task = build(data=data, objectives={"good": TextLabel(loss=UnpairedLogistic())})
    task.prepare(trainer)
    batches = list(task.batches("train"))
    assert all(batch.items.sum(-1).eq(1).all() and batch.mask.all() for batch in batches)
    assert 0 < sum(batch.labels.sum().item() for batch in batches) < sum(len(batch) for batch in batches)
    with pytest.raises(DataError, match=r"kto\.jsonl:1: the prompt has 1 response; it needs at least two\."):
        build(data=data, objectives={"good": TextLabel()}).prepare(trainer)


def test_variables_of_the_chat_template_are_set_in_all_that_a_task_renders(build, chatml):
    tokenizer = AutoTokenizer.from_pretrained(chatml)
    tokenizer.chat_template = "{% if brief %}Be brief.{% endif %}" + tokenizer.chat_template
    tokenizer.save_pretrained(chatml)
    plain = build(model=chatml, template="chat").prompt_template().render("Why?", "a:1")
    task = build(model=chatml, template="chat", chat_template_kwargs={"brief": True})
    assert task.prompt_template().render("Why?", "a:1") == f"Be brief.{plain}"
    whole, _ = task.tokens_of(task.opened().examples["test"])
    assert all(text.startswith("Be brief.") for text in whole.texts)
    with pytest.raises(ConfigError, match=r"\[task\.chat_template_kwargs\] the chat template does not read 'short'\."):
        build(model=chatml, template="chat", chat_template_kwargs={"short": True}).prompt_template()
    with pytest.raises(ConfigError, match=r"\[task\.chat_template_kwargs\] has no effect without a chat template\."):
        build(chat_template_kwargs={"brief": True})
