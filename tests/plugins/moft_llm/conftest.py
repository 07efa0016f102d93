"""Runs on small random language models, and the real weights where they are there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from moft.api import AccelerateTrainer, Context, TrainerSettings
from moft_llm.data.label_transforms import TextLabel
from moft_llm.data.readers.list_readers import Lists
from moft_llm.network.lora import LoRA
from moft_llm.task import LLM

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def stories() -> Callable[[str], Path]:
    """The folder of real weights: `stories260k` or `stories15m`."""

    def folder(name: str) -> Path:
        data = Path(os.environ.get("MOFT_DATA", ROOT.parent / "shared" / "data"))
        if not (data / "models" / name / "model.safetensors").exists():
            pytest.skip(f"no weights in {data / 'models' / name}: set MOFT_DATA to a folder that holds models/{name}")
        return data / "models" / name

    return folder


@pytest.fixture(scope="session")
def with_adapter(tiny_models, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small random model and a PEFT adapter of it; do not change what is there."""
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("with-adapter") / "tuned"
    shutil.copytree(tiny_models(), folder)
    adapted = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(folder), peft.LoraConfig(r=4, target_modules=["q_proj"]))
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        for value in adapted.parameters():
            if value.requires_grad:
                value.add_(torch.randn_like(value), alpha=0.5)
    adapted.save_pretrained(folder)
    return folder


TEXT = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "vocab_size": 300,
    "max_position_embeddings": 512,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
    "initializer_range": 0.15,
}
AXES = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]}}
VISION = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
FAMILIES = {
    "gemma3": ({}, {}, {"image_token_index": 299, "boi_token_index": 298, "eoi_token_index": 297, "mm_tokens_per_image": 4}),
    "llava": ({"model_type": "llama"}, {"model_type": "clip_vision_model"}, {"image_token_index": 299}),
    "qwen2_vl": (AXES, {"embed_dim": 16, "depth": 1, "num_heads": 2, "hidden_size": 32}, {"image_token_id": 299}),
    "qwen3_vl": (
        AXES,
        {"depth": 1, "num_heads": 2, "out_hidden_size": 32, "deepstack_visual_indexes": [0]},
        {"image_token_id": 299},
    ),
    "blip-2": ({"model_type": "opt", "word_embed_proj_dim": 32}, {}, {"image_token_index": 299}),
}
"""Settings of text, vision and whole of small models that take images."""


@pytest.fixture(scope="session")
def multimodal(tiny_models, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a small random model that also takes images; do not change what is there."""
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    made: dict[str, Path] = {}

    def folder(family: str = "gemma3") -> Path:
        if family not in made:
            made[family] = tmp_path_factory.mktemp(family)
            text, vision, whole = FAMILIES[family]
            config = AutoConfig.for_model(family, text_config=TEXT | text, vision_config=VISION | vision, **whole)
            with torch.random.fork_rng():
                torch.manual_seed(0)
                AutoModelForImageTextToText.from_config(config).save_pretrained(made[family])
            for name in ("tokenizer.json", "tokenizer_config.json"):
                shutil.copy(tiny_models() / name, made[family] / name)
        return made[family]

    return folder


OBJECTIVES = {"brief": TextLabel(), "calm": TextLabel(beta=0.5)}


@pytest.fixture
def trainer():
    return AccelerateTrainer(TrainerSettings(epochs=1, device="cpu", threads=1), seed=0)


@pytest.fixture
def build(tiny_models, made_up_lists, tmp_path):
    """Makes a task on a small random model and 40 lists."""
    made_up_lists(tmp_path / "lists.jsonl")

    def make(**settings):
        given = {
            "objectives": OBJECTIVES,
            "data": Lists(str(tmp_path / "lists.jsonl")),
            "lora": LoRA(rank=2, alpha=4),
            **settings,
        }
        given.setdefault("model", str(tiny_models()))
        return LLM(Context(torch.device("cpu"), 0, tmp_path / "cache"), tokens_per_batch=512, **given)

    return make


@pytest.fixture
def chatml(tiny_models, tmp_path):
    """A small random model whose chat template ends a turn in `<|end|>`."""
    folder = tmp_path / "chatml"
    shutil.copytree(tiny_models(), folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|end|>"]})
    tokenizer.chat_template = tokenizer.chat_template.replace("eos_token", "'<|end|>\\n'")
    tokenizer.save_pretrained(folder)
    return str(folder)
