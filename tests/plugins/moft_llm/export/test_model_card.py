"""The model card of an export: the lines that load it, and the front that it tells of."""

from __future__ import annotations

import ast
import json
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import metadata_load

from moft import RunError
from moft.api import Tradeoff
from moft.secret_values import _references, remember_secret
from moft_llm.export.export import base_path
from moft_llm.export.model_card import ModelCard

FRONT = {
    "objectives": ["brief", "calm"],
    "points": [{"weights": [0.5, 0.5], "values": [1.0, 2.0], "ci": [[0.9, 1.1], [1.9, 2.1]]}],
    "base": {"values": [0.0, 0.0]},
    "split": "test",
    "metric": "accuracy",
}


DATA = {"name": "pairs", "path": "owner/pairs:small"}


def card_of(folder, gguf=None, *, with_prefix=False, base="/models/mine", data=DATA, changes=()):
    config = {"task": {"name": "llm", "data": data}}
    run = SimpleNamespace(path=folder, front=folder / "front.json", resolved_config=lambda: config)
    opened = SimpleNamespace(folder=run, names=("brief", "calm"))
    task = SimpleNamespace(prompt_template=lambda: SimpleNamespace(text="none"))
    tradeoff = Tradeoff(torch.tensor([[0.5, 0.5]]), torch.ones(1, 2))
    llm_run = SimpleNamespace(opened=opened, task=task)
    return ModelCard(llm_run, tradeoff, base, gguf, with_prefix=with_prefix, dtype="float32", changes=changes)


def text_of(folder, **given):
    (folder / "front.json").write_text(json.dumps(FRONT))
    card_of(folder, **given).write(folder)
    return (folder / "README.md").read_text(encoding="utf-8")


def header_of(folder, **given):
    text_of(folder, **given)
    return metadata_load(folder / "README.md")


def code_of(folder, **given):
    code = text_of(folder, **given).partition("```python\n")[2].partition("```")[0]
    ast.parse(code)
    return code


def test_an_adapter_of_a_gguf_file_is_loaded_over_that_file_made_dense(tmp_path):
    code = code_of(tmp_path, gguf="a.gguf")
    assert "from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig" in code
    dense = 'gguf_file="a.gguf", quantization_config=GgufConfig(dequantize=True)'
    assert f'from_pretrained("path/to/mine", {dense}, dtype="float32")' in code


def test_other_adapters_are_loaded_over_their_model(tmp_path):
    code = code_of(tmp_path)
    assert 'from_pretrained("path/to/mine", dtype="float32")' in code
    assert "Gguf" not in code
    assert "Gguf" not in code_of(tmp_path, gguf="a.gguf", with_prefix=True)  # its model was written dense


def test_a_secret_in_a_card_is_its_reference(tmp_path):
    remember_secret("/models/mine", "${MODEL_KEY}")
    try:
        assert 'from_pretrained("${MODEL_KEY}", dtype="float32")' in code_of(tmp_path)
    finally:
        _references.clear()


def test_the_base_of_an_export_is_the_place_that_was_read(tmp_path, monkeypatch):
    fetched = tmp_path / "models" / "smollm2"
    fetched.mkdir(parents=True)
    (fetched / "one.gguf").touch()
    monkeypatch.setenv("MOFT_CACHE", str(tmp_path))
    assert base_path({"model": "smollm2", "gguf": None}) == (str(fetched), "one.gguf")
    assert base_path({"model": str(fetched), "gguf": "two.gguf"}) == (str(fetched), "two.gguf")
    assert base_path({"model": "owner/name", "gguf": None}) == ("owner/name", None)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", r"^{}/front\.json: damaged file\. `moft train \.\.\. --resume` measures the run again\.$"),
        ("[]", r"front\.json: damaged file"),
        ("{}", r"front\.json: damaged file"),
    ],
)
def test_a_run_with_a_damaged_front_has_no_card(content, told, tmp_path):
    (tmp_path / "front.json").write_text(content)
    with pytest.raises(RunError, match=told.format(tmp_path)):
        card_of(tmp_path).check()


def test_the_card_of_a_policy_that_is_not_measured_says_so(tmp_path):
    card = card_of(tmp_path)
    card.check()
    card.write(tmp_path)
    assert "The policy was not measured yet when this was exported." in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_a_base_on_the_hub_is_named_as_there(tmp_path, monkeypatch):
    header = header_of(tmp_path, base="owner/name")
    assert (header["base_model"], header["datasets"], header["library_name"]) == ("owner/name", ["owner/pairs"], "peft")
    snapshot = tmp_path / "hub" / "models--owner--a--b" / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    assert header_of(tmp_path, base=str(snapshot))["base_model"] == "owner/a--b"
    assert "machine that trained" not in text_of(tmp_path, base=str(snapshot))


def test_the_place_of_a_local_base_is_not_told(tmp_path):
    (tmp_path / "models" / "mine").mkdir(parents=True)
    (tmp_path / "data.jsonl").touch()
    data = {"name": "hh", "paths": {"a": str(tmp_path / "data.jsonl"), "b": "data/rows.parquet", "c": "owner/set"}}
    text = text_of(tmp_path, base=str(tmp_path / "models" / "mine"), data=data)
    assert str(tmp_path) not in text
    assert "The base model is `mine`." in text
    assert "`mine` is a folder of the machine that trained this adapter: put the place of your copy in" in text
    header = metadata_load(tmp_path / "README.md")
    assert (header["base_model"], header["datasets"]) == ("mine", ["data.jsonl", "rows.parquet", "owner/set"])


@pytest.mark.parametrize(
    ("card", "stated"),
    [
        (None, {}),
        ("---\nlicense: gemma\ntags: [x]\n---\n# Mine\n", {"license": "gemma"}),
        (
            "---\nlicense: other\nlicense_name: own\nlicense_link: LICENSE\n---\n",
            {"license": "other", "license_name": "own", "license_link": "LICENSE"},
        ),
        ("---\nlicense: [oops\n---\n", {}),
        ("# Mine\n", {}),
    ],
)
def test_the_licence_is_that_which_the_base_states(card, stated, tmp_path):
    (tmp_path / "mine").mkdir()
    if card is not None:
        (tmp_path / "mine" / "README.md").write_text(card)
    header = header_of(tmp_path, base=str(tmp_path / "mine"))
    assert {name: value for name, value in header.items() if name.startswith("license")} == stated


def test_a_merged_model_says_what_it_is(tmp_path):
    text = text_of(tmp_path, changes=("an adapter (LORA) is merged into it",))
    assert "The base model is `mine`; an adapter (LORA) is merged into it. Its licence" in text
    assert 'AutoModelForCausalLM.from_pretrained("path/to/this/folder/model")' in text
    assert "peft" not in text.split("---")[2]
    assert metadata_load(tmp_path / "README.md")["library_name"] == "transformers"
