"""LoRA: its settings, and adding and disabling it through PEFT."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn

from moft import ConfigError
from moft.api import Positive, Width

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel

_ATTENTION = ("attn", "attention", "self_attn", "self_attention")


@dataclass(frozen=True)
class LoRA:
    """Low-rank adapters: every adapted layer adds `alpha / rank * B A` to its matrix, with B zero at the start.

    Args:
        rank: of A and B.
        alpha: scale, which is divided by `rank`; a larger value changes more at the same learning rate.
        dropout: probability of dropping an input of A in training.
        targets: ends of the names of adapted layers, such as `q_proj` or `mlp.up_proj`; null adapts the attention projections.
        rslora: divides `alpha` by the square root of `rank` instead of `rank`.

    Source: Hu et al. 2021, section 4.1; rank, alpha and dropout after MODPO (Zhou et al. 2023); `rslora` Kalajdzievski 2023.
    """

    rank: Width = 64
    alpha: Positive = 1.0
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    targets: list[str] | None = None
    rslora: bool = False


def peft_config(lora: LoRA, network: Any) -> LoraConfig:
    """PEFT's config for `lora`, with all targets listed.

    Raises:
        ConfigError: a target is not a linear layer of `network`, or no attention projection is found.
    """
    from peft import LoraConfig
    from transformers.pytorch_utils import Conv1D

    layers = {name: module for name, module in network.named_modules() if isinstance(module, nn.Linear | Conv1D)}
    head = network.get_output_embeddings()
    inner = [name for name, module in layers.items() if module is not head]
    targets = lora.targets if lora.targets is not None else _attention(inner)
    known = ", ".join(sorted({name.rpartition(".")[2] for name in inner}))
    for target in targets:
        if not any(_is_named(name, target) for name in inner):
            raise ConfigError(f"targets: {target!r} is not a linear layer of {type(network).__name__}. Its layers: {known}.")
    if not targets:
        raise ConfigError(f"targets: no attention layer found in {type(network).__name__}. Name some of its layers: {known}.")
    chosen = [layers[name] for name in inner if any(_is_named(name, target) for target in targets)]
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # PEFT only divides it
        lora_dropout=lora.dropout,
        target_modules=list(targets),
        use_rslora=lora.rslora,
        fan_in_fan_out=all(isinstance(layer, Conv1D) for layer in chosen),
        task_type="CAUSAL_LM",
    )


def adapted_ranks(lora: LoRA, network: Any) -> dict[str, int]:
    """The rank of each layer that `add_lora` would adapt, by name; `network` is not changed, and may have no weights.

    Raises:
        ConfigError: as for `peft_config`.
    """
    targets = peft_config(lora, network).target_modules or ()
    names = [name for name, _ in network.named_modules()]
    return {name: lora.rank for name in names if any(_is_named(name, target) for target in targets)}


def add_lora(network: PreTrainedModel, config: LoraConfig) -> None:
    """Adds LoRA to `network`, in place; its parameters are float32, and initialised from the global generator."""
    from peft import inject_adapter_in_model
    from peft.tuners.lora import LoraLayer

    inject_adapter_in_model(config, network)
    for module in network.modules():
        if isinstance(module, LoraLayer):
            module.lora_A.float()
            module.lora_B.float()
            module.cast_input_dtype_enabled = (
                False  # inputs would be made float32 under autocast, which then makes them 16 bits again
            )
            module.lora_A["default"].register_forward_pre_hook(_in_its_dtype)


@contextmanager
def adapters_off(network: nn.Module) -> Iterator[None]:
    """Disables LoRA within the block; afterwards, the same parameters are trainable as before."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [module for module in network.modules() if isinstance(module, BaseTunerLayer) and not module.disable_adapters]
    trained = {parameter: parameter.requires_grad for layer in layers for parameter in layer.parameters()}
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)
        for parameter, is_trained in trained.items():  # PEFT changes it
            parameter.requires_grad_(is_trained)


def _in_its_dtype(module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The inputs of LoRA's A in the dtype of A, unless autocast converts them."""
    if torch.is_autocast_enabled(arguments[0].device.type):
        return arguments
    dtype = module.weight.dtype
    return tuple(one.to(dtype) for one in arguments)  # type: ignore[arg-type]


def _is_named(name: str, target: str) -> bool:
    """True when PEFT matches the layer `name` to `target`."""
    return name == target or name.endswith(f".{target}")


def _attention(names: list[str]) -> list[str]:
    """The last two parts of the names of layers directly inside an attention."""
    ends = [".".join(name.split(".")[-2:]) for name in names]
    return sorted({end for end in ends if end.partition(".")[0] in _ATTENTION})
