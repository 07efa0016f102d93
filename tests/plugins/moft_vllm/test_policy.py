"""A folder computes prefix, adapter and embedded prompts; a damaged one is refused."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close

from moft_vllm.errors import FolderError
from moft_vllm.policy import EMBEDDINGS, POLICY, RECORD, Policy
from tests.plugins.moft_vllm.conftest import conditioner_of, lora

WEIGHTS = [0.2, 0.8]


def test_an_embedded_prompt_begins_with_the_prefix(exported):
    policy = Policy.read(exported("both"))
    expected = conditioner_of("both")(torch.tensor([WEIGHTS])).prefix[0]
    whole = policy.embedded(WEIGHTS, [5, 7])
    assert_close(whole[:3], expected, atol=1e-6, rtol=1e-6)
    assert_close(whole[3:], load_file(exported("both") / EMBEDDINGS)["embeddings"][[5, 7]])


def test_the_own_prompt_of_a_model_comes_first(exported, tmp_path):
    folder = tmp_path / "own"
    shutil.copytree(exported(), folder, symlinks=True)
    own = torch.ones(2, 8)
    save_file({**load_file(folder / POLICY), "own_prompt": own}, folder / POLICY)
    (folder / RECORD).write_text(json.dumps({**json.loads((folder / RECORD).read_text()), "prefix": 5}))
    prefix = Policy.read(folder).prefix(WEIGHTS)
    assert_close(prefix[:2], own)
    assert_close(prefix[2:], Policy.read(exported()).prefix(WEIGHTS))


def test_gates_are_multiplied_into_b_of_the_adapter(exported, tmp_path):
    policy = Policy.read(exported("hyper-lora"))
    policy.write_adapter(WEIGHTS, tmp_path / "one")
    written, gates = load_file(tmp_path / "one" / "adapter_model.safetensors"), conditioner_of("hyper-lora")
    expected = gates(torch.tensor([WEIGHTS])).gates
    for name, value in lora().items():
        layer = name.removeprefix("base_model.model.").partition(".lora_")[0]
        own = value * expected[layer][0] if ".lora_B." in name else value
        assert_close(written[name], own, atol=1e-6, rtol=1e-6)
    assert (tmp_path / "one" / "adapter_config.json").exists()


def test_the_base_model_is_an_adapter_that_changes_nothing(exported, tmp_path):
    Policy.read(exported("hyper-lora")).write_adapter(None, tmp_path / "base")
    written = load_file(tmp_path / "base" / "adapter_model.safetensors")
    assert set(written) == set(lora())
    assert all(bool(value.any()) == (".lora_A." in name) for name, value in written.items())


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: (folder / RECORD).unlink(), "no such file; give a folder that `moft export RUN FOLDER --for vllm` wrote"),
        (lambda folder: (folder / RECORD).write_text("{"), "damaged"),
        (lambda folder: (folder / RECORD).write_text('{"schema": 99}'), "is not of this version of moft_vllm"),
        (lambda folder: (folder / RECORD).write_text('{"schema": 1}'), "'name' is missing or of another type"),
        (lambda folder: (folder / POLICY).write_bytes(b"x"), "a file is missing or damaged"),
        (lambda folder: (folder / EMBEDDINGS).unlink(), "a file is missing or damaged"),
        (
            lambda folder: (folder / RECORD).write_text((folder / RECORD).read_text().replace('"prefix": 3', '"prefix": 4')),
            "do not belong together",
        ),
    ],
)
def test_a_damaged_folder_is_refused(spoil, told, exported, tmp_path):
    folder = tmp_path / "spoiled"
    shutil.copytree(exported(), folder, symlinks=True)
    spoil(folder)
    with pytest.raises(FolderError, match=told):
        Policy.read(folder)
