"""The model card of an export: the lines that load it, and the front that it tells of."""

from __future__ import annotations

import ast
import json
from types import SimpleNamespace

import pytest
import torch

from moft import RunError
from moft.api import Tradeoff
from moft.secret_values import _references, remember_secret
from moft_llm.export.export import _base_path
from moft_llm.export.model_card import ModelCard

FRONT = {
    "objectives": ["brief", "calm"],
    "points": [{"weights": [0.5, 0.5], "values": [1.0, 2.0], "ci": [[0.9, 1.1], [1.9, 2.1]]}],
    "base": {"values": [0.0, 0.0]},
    "split": "test",
    "metric": "accuracy",
}


def card_of(folder, gguf=None, *, with_prefix=False):
    run = SimpleNamespace(path=folder, front=folder / "front.json")
    opened = SimpleNamespace(folder=run, names=("brief", "calm"))
    task = SimpleNamespace(prompt_template=lambda: SimpleNamespace(text="none"))
    tradeoff = Tradeoff(torch.tensor([[0.5, 0.5]]), torch.ones(1, 2))
    return ModelCard(
        SimpleNamespace(opened=opened, task=task), tradeoff, "/models/mine", gguf, with_prefix=with_prefix, dtype="float32"
    )


def code_of(folder, **given):
    (folder / "front.json").write_text(json.dumps(FRONT))
    card = card_of(folder, **given)
    card.write(folder)
    code = (folder / "README.md").read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    ast.parse(code)
    return code


def test_an_adapter_of_a_gguf_file_is_loaded_over_that_file_made_dense(tmp_path):
    code = code_of(tmp_path, gguf="a.gguf")
    assert "from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig" in code
    dense = 'gguf_file="a.gguf", quantization_config=GgufConfig(dequantize=True)'
    assert f'from_pretrained("/models/mine", {dense}, dtype="float32")' in code


def test_other_adapters_are_loaded_over_their_model(tmp_path):
    code = code_of(tmp_path)
    assert 'from_pretrained("/models/mine", dtype="float32")' in code
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
    assert _base_path({"model": "smollm2", "gguf": None}) == (str(fetched), "one.gguf")
    assert _base_path({"model": str(fetched), "gguf": "two.gguf"}) == (str(fetched), "two.gguf")
    assert _base_path({"model": "owner/name", "gguf": None}) == ("owner/name", None)


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
