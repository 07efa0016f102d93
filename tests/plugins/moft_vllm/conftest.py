"""Folders as an export for vLLM writes them, around small random conditioners."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from moft.api import ModelSpec, formula_of
from moft_conditioners.encoders import MLP, Fourier
from moft_conditioners.hyper_lora import HyperLoRA
from moft_conditioners.hyper_prompt_tuning import HyperPromptTuning
from moft_conditioners.mixed_conditioners import Mix
from moft_conditioners.with_encoder import Encoded
from moft_vllm.policy import ADAPTER, EMBEDDINGS, POLICY, RECORD, SCHEMA, TOKENIZER

NAMES = ("brief", "calm")
LAYERS = {"model.layers.0.self_attn.q_proj": 4, "model.layers.1.self_attn.q_proj": 4}
ROWS, HIDDEN = 300, 8
SPEC = ModelSpec(2, HIDDEN, frozenset({"prefix", "gates"}), ranks=LAYERS)
HPT, GATES = partial(HyperPromptTuning, tokens=3, rank=2), HyperLoRA
CONDITIONERS: dict[str, Callable[[ModelSpec], Any]] = {
    "hpt": HPT,
    "hyper-lora": GATES,
    "both": lambda spec: Mix(spec, parts=[HPT, GATES]),
    "learned mix": lambda spec: Mix(spec, parts=[HPT, GATES, HPT, GATES], gate="learned"),
    "fourier": lambda spec: Encoded(
        spec, conditioner=lambda inner: Mix(inner, parts=[HPT, GATES]), encoder=Fourier(frequencies=2)
    ),
    "mlp": lambda spec: Encoded(spec, conditioner=GATES, encoder=MLP()),
}


def conditioner_of(kind: str, spec: ModelSpec = SPEC) -> Any:
    """A conditioner with random parameters."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made = CONDITIONERS[kind](spec)
        for value in made.parameters():
            value.data.add_(torch.randn_like(value), alpha=0.3)
    return made


def record_of(**changes: Any) -> dict[str, Any]:
    """What `moft_vllm.json` holds, of a policy with a prefix alone."""
    record = {
        **{"schema": SCHEMA, "name": "moft", "base": "owner/base", "base_name": "owner/base", "is_base_inside": False},
        **{"dtype": "float32", "objectives": list(NAMES), "steps": 0, "prefix": 3, "has_gates": False, "end_tokens": [1]},
        **{"choices": {"gentle": {"weights": {"brief": 0.123, "calm": 0.877}, "dial": 1.0}}},
        **{"template": {"kind": "format", "before": "", "after": "", "adds_begin": False, "control_tokens": ["</s>"]}},
        **{"lora": {"rank": 4, "targets": ["q_proj"]}, "formula": {"kind": "hpt", "rank": 2}},
    }
    record["choices"]["far"] = {"weights": {"brief": 0.5, "calm": 0.5}, "dial": 4.0}
    return {**record, **changes}


@pytest.fixture(scope="session")
def exported(tiny_models, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Gives the folder of a policy; do not change what is there."""
    made: dict[tuple[object, ...], Path] = {}

    def folder(kind: str = "hpt", **changes: Any) -> Path:
        key = (kind, json.dumps(changes))
        if key not in made:
            made[key] = place = tmp_path_factory.mktemp("exported")
            conditioner = conditioner_of(kind)
            has_prefix, has_gates = "prefix" in conditioner.slots, "gates" in conditioner.slots
            sizes = {"prefix": 3 if has_prefix else 0, "has_gates": has_gates, "steps": 64 if has_gates else 0}
            record = record_of(formula=formula_of(conditioner), **{**sizes, **changes})
            (place / RECORD).write_text(json.dumps(record))
            save_file({name: value.contiguous() for name, value in conditioner.state_dict().items()}, place / POLICY)
            save_file({"embeddings": torch.randn(ROWS, HIDDEN, generator=torch.Generator().manual_seed(2))}, place / EMBEDDINGS)
            (place / ADAPTER).mkdir()
            (place / ADAPTER / "adapter_config.json").write_text("{}")
            save_file(lora(), place / ADAPTER / "adapter_model.safetensors")
            (place / TOKENIZER).symlink_to(tiny_models())
        return made[key]

    return folder


def lora() -> dict[str, torch.Tensor]:
    """The tensors of an adapter, as PEFT names them."""
    generator = torch.Generator().manual_seed(3)
    tensors = {}
    for layer, rank in LAYERS.items():
        tensors[f"base_model.model.{layer}.lora_A.weight"] = torch.randn(rank, HIDDEN, generator=generator)
        tensors[f"base_model.model.{layer}.lora_B.weight"] = torch.randn(6, rank, generator=generator)
    return tensors
