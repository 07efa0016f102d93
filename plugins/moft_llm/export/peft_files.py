"""Writes PEFT adapters: LoRA with gates folded in, and prompt tuning; and the network below LoRA."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from moft_llm.network.language_model import LanguageModel

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def lora_layers(network: nn.Module) -> Iterator[tuple[str, Any]]:
    """The adapted layers, by name."""
    from peft.tuners.lora import LoraLayer

    return ((name, module) for name, module in network.named_modules() if isinstance(module, LoraLayer))


def replace_layer(network: nn.Module, name: str, layer: nn.Module) -> None:
    """Puts a layer in the place of the one of that name."""
    parent, _, last = name.rpartition(".")
    setattr(network.get_submodule(parent), last, layer)


def forget_adapters(network: nn.Module) -> None:
    """Removes what PEFT noted on a network that has no adapted layer any more."""
    for name in ("peft_config", "_hf_peft_config_loaded"):
        if name in vars(network):
            delattr(network, name)


def without_lora(network: PreTrainedModel) -> PreTrainedModel:
    """A copy of the network without its LoRA layers."""
    plain = deepcopy(network)
    for name, layer in list(lora_layers(plain)):
        replace_layer(plain, name, layer.get_base_layer())
    forget_adapters(plain)
    return plain


def write_lora(model: LanguageModel, gates: Mapping[str, Tensor], base: str, folder: Path) -> None:
    """Writes a PEFT LoRA adapter of the base model; a gate multiplies its column of B.

    Args:
        model: with LoRA.
        gates: `[rank]` by layer.
        base: what others call the base model.
        folder: of the adapter.
    """
    from safetensors.torch import save_file

    tensors = {}
    for name, value in model.network.named_parameters():
        layer, is_up, _ = name.partition(".lora_B.default.")
        if is_up or ".lora_A.default." in name:
            exported = value.detach() * gates[layer] if is_up and layer in gates else value.detach()
            tensors[f"base_model.model.{name.replace('.default.', '.')}"] = exported.cpu().float().contiguous()
    configs: Any = model.network.peft_config
    config = deepcopy(configs["default"])
    config.base_model_name_or_path, config.inference_mode = base, True
    config.save_pretrained(str(folder))
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def write_prompt(model: LanguageModel, prefix: Tensor, folder: Path, base: str = "model") -> None:
    """Writes a PEFT prompt-tuning adapter, whose virtual tokens are `prefix`, `[p, hidden]`.

    Args:
        model: the language model.
        prefix: `[p, hidden]`.
        folder: of the adapter.
        base: the model that it changes, as seen from the folder of the export, wherever that is moved.
    """
    from peft import PromptTuningConfig, TaskType
    from safetensors.torch import save_file

    config = PromptTuningConfig(
        task_type=TaskType.CAUSAL_LM,
        num_virtual_tokens=len(prefix),
        token_dim=prefix.shape[1],
        num_transformer_submodules=1,
        num_layers=model.network.config.get_text_config().num_hidden_layers,
        num_attention_heads=model.network.config.get_text_config().num_attention_heads,
        base_model_name_or_path=base,
        inference_mode=True,
    )
    config.save_pretrained(str(folder))
    tensors = {"prompt_embeddings": prefix.detach().to(torch.float32).cpu().contiguous()}
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
