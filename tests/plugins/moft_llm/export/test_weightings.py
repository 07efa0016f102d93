"""Many weightings in one export: an adapter for each, one tokenizer, and a table."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

import moft
from moft import ConfigError
from moft.cli.app import main
from moft_llm.export.export_run import export_llm
from moft_llm.export.weightings import TABLE

pytestmark = pytest.mark.slow  # a run is trained

GATED = "{name: cos-dpo, conditioner: hyper-lora}"


@pytest.fixture(scope="module")
def gated(tuned):
    return moft.open_run(tuned(GATED), device="cpu")


def exported(run, out, *words):
    assert main(["export", str(run), str(out), *words]) == 0
    return json.loads((out / TABLE).read_text(encoding="utf-8"))


def test_each_weighting_has_the_adapter_that_it_has_alone(tuned, tmp_path, capsys):
    run, out = tuned(GATED), tmp_path / "many"
    capsys.readouterr()
    table = exported(
        run, out, "--weights", "0.2,0.8", "--weights", "calm=1", "--weights", "0.2,0.8", "--points", "3", "--as", "peft"
    )
    assert capsys.readouterr().out.startswith(f"{out}: 4 PEFT LoRA adapters of ")
    assert [each["name"] for each in table["adapters"]] == ["w-0.2-0.8", "w-0-1", "w-1-0", "w-0.5-0.5"]
    assert table["adapters"][0]["weights"] == {"brief": 0.2, "calm": 0.8}
    assert len(list(out.rglob("tokenizer.json"))) == 1
    assert (out / "tokenizer.json").exists()
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "# run at 4 weightings" in card
    assert "| `w-0.5-0.5` | 0.5 | 0.5 |" in card
    assert 'PeftModel.from_pretrained(base, "path/to/this/folder/w-0.2-0.8")' in card
    assert main(["export", str(run), str(tmp_path / "one"), "--weights", "0.2,0.8"]) == 0
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        alone, among = (tmp_path / "one" / file, out / "w-0.2-0.8" / file)
        if file.endswith("json"):
            assert json.loads(alone.read_text()) == json.loads(among.read_text())
        else:
            assert all(torch.equal(value, load_file(among)[name]) for name, value in load_file(alone).items())


def test_prefixes_share_the_merged_model(tuned, tmp_path):
    run, out = tuned(), tmp_path / "many"
    table = exported(run, out, "--weights", "0.2,0.8", "--weights", "1,0")
    assert table["base_model"] == "model"
    assert len(list(out.rglob("model.safetensors"))) == 1
    opened = moft.open_run(run, device="cpu")
    for each in table["adapters"]:
        (assignment,) = opened.policy.assignments(opened.tradeoff(",".join(str(value) for value in each["weights"].values())))
        found = load_file(out / each["name"] / "adapter_model.safetensors")["prompt_embeddings"]
        torch.testing.assert_close(found, assignment.injection.prefix[0].detach())
    assert "Each folder of the table is a prompt-tuning adapter of it" in (out / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"weights": "1,0; 0.5,0.6"}, "--weights '0.5,0.6': weights must sum to 1"),
        ({"points": "0"}, "--points 0: must be from 1 to 10,000."),
        ({"points": "1"}, "--points 1: a grid over 2 objectives needs at least"),
        ({"weights": "1,0; 0,1", "dtype": "float32"}, "--dtype float32 has no effect"),
        ({"weights": "1,0", "base-id": "/my/model"}, "--base-id '/my/model': must be a name as on the Hugging Face hub, such as"),
        ({"weights": "1,0", "license": "My own"}, "--license 'My own': must be a name as on the Hugging Face hub"),
        ({"weights": "1,0", "dataset": "a; b/c/d"}, "--dataset 'b/c/d': must be a name as on the Hugging Face hub"),
        ({"for": "tgi"}, "--for 'tgi': must be vllm."),
        ({"for": "vllm", "as": "peft"}, "--as and --for: give one of the two."),
        ({"for": "vllm", "weights": "1,0"}, "--weights has no effect on an export for vllm, which serves any weights"),
        ({"as": "llama.cpp", "dial": "2"}, "--dial has no effect on an export for llama.cpp, which has scales for any weights"),
    ],
)
def test_a_mistake_is_told_before_anything_is_written(options, told, gated, tmp_path):
    with pytest.raises(ConfigError) as caught:
        export_llm(gated, tmp_path / "out", options)
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_weightings_with_a_model_each_are_refused(tuned, tmp_path, capsys):
    run = tuned("{name: cos-dpo, conditioner: [hpt, hyper-lora]}", model="gpt2")
    capsys.readouterr()
    assert main(["export", str(run), str(tmp_path / "out"), "--weights", "1,0", "--weights", "0,1"]) == 2
    assert "is a model of its own, because it has a prefix, and the model below differs. Export one" in capsys.readouterr().err


def test_what_the_user_states_stands_in_cards_and_adapters(tuned, tmp_path):
    from huggingface_hub import metadata_load

    words = ["--base-id", "owner/small", "--license", "apache-2.0", "--dataset", "owner/lists", "--dataset", "more"]
    table = exported(tuned(GATED), tmp_path / "out", "--weights", "1,0", "--weights", "0,1", *words)
    head = metadata_load(tmp_path / "out" / "README.md")
    assert (head["base_model"], head["license"], head["datasets"]) == ("owner/small", "apache-2.0", ["owner/lists", "more"])
    assert table["base_model"] == "owner/small"
    config = json.loads((tmp_path / "out" / "w-1-0" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "owner/small"
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert 'from_pretrained("owner/small"' in card
    assert "machine that trained" not in card
