"""LoRA beneath a language model: its settings, how PEFT puts it in and takes it out, and gates of its own for each row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn

from moft import ConfigError, ShapeError
from moft.api import Count, Positive

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel

_ATTENTION = ("attn", "attention", "self_attn", "self_attention")


@dataclass(frozen=True)
class LoRA:
    """Low-rank adapters: every adapted layer adds `alpha / rank * B A` to its matrix, with B zero at the start.

    Args:
        rank: of A and B.
        alpha: scale, before it is divided by `rank`; larger moves further at the same learning rate.
        dropout: share of A's inputs that are dropped in training.
        targets: names that the adapted layers end in, like `q_proj` or `mlp.up_proj`; null adapts the projections of attention.
        rslora: divides `alpha` by the root of `rank` in place of `rank`.

    Source: Hu et al. 2021, section 4.1; rank, alpha and dropout after MODPO (Zhou et al. 2023); `rslora` Kalajdzievski 2023.
    """

    rank: Count = 64
    alpha: Positive = 1.0
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    targets: list[str] | None = None
    rslora: bool = False


def peft_config(lora: LoRA, network: Any) -> LoraConfig:
    """PEFT's own record of `lora`, with the targets spelt out.

    Raises:
        ConfigError: a target is no linear layer of `network`, or there is no attention to adapt.
    """
    from peft import LoraConfig
    from transformers.pytorch_utils import Conv1D

    layers = {name: module for name, module in network.named_modules() if isinstance(module, nn.Linear | Conv1D)}
    head = network.get_output_embeddings()
    inner = [name for name, module in layers.items() if module is not head]
    targets = lora.targets if lora.targets is not None else _attention(inner)
    known = ", ".join(sorted({name.rpartition(".")[2] for name in inner}))
    for target in targets:
        if not any(_is_called(name, target) for name in inner):
            raise ConfigError(f"targets: {target!r} is no linear layer within {type(network).__name__}. There are: {known}.")
    if not targets:
        raise ConfigError(f"targets: none are left to adapt in {type(network).__name__}. Name some of its layers: {known}.")
    chosen = [layers[name] for name in inner if any(_is_called(name, target) for target in targets)]
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
    """The rank of each layer that `adapt` would put LoRA into, by name; `network` stays as it is, and may have no weights.

    Raises:
        ConfigError: as for `peft_config`.
    """
    targets = peft_config(lora, network).target_modules or ()
    names = [name for name, _ in network.named_modules()]
    return {name: lora.rank for name in names if any(_is_called(name, target) for target in targets)}


def adapt(network: PreTrainedModel, config: LoraConfig) -> None:
    """Puts LoRA into `network`, in place; its parameters are float32 and drawn from the global generator."""
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


class Gates:
    """What LoRA is gated by at the moment, `B diag(g) A` with another g for each row.

    A layer that is computed again in the backward pass is given the gates of its forward pass.
    """

    def __init__(self) -> None:
        self._slots: dict[str, _Slot] = {}
        self._now: tuple[Mapping[str, Tensor], Tensor | None] = ({}, None)

    def attach(self, network: nn.Module) -> dict[str, int]:
        """Gates every LoRA layer of `network` from now on; gives their ranks, by the layers' names."""
        from peft.tuners.lora import LoraLayer

        ranks = {}
        for name, module in network.named_modules():
            if isinstance(module, LoraLayer):
                inner: Any = module.lora_A["default"]
                self._slots[name] = _Slot(name)
                inner.register_forward_hook(self._slots[name])
                ranks[name] = inner.out_features
        return ranks

    def of(self, gates: Mapping[str, Tensor], rows: Tensor | None = None) -> AbstractContextManager[None]:
        """Within the block, LoRA is gated by `gates`, `[rows, rank]` by layer; without those of a layer, it is plain.

        Args:
            gates: by layer.
            rows: `[N, rows]`, one where a token is of a row and else zero, where tokens are packed into one row, `[1, N]`; None
                where rows are rows. A product with it adds up gradients in float32, where picking rows would not.
        """
        return _Within(self, gates, rows)

    def contexts(self) -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        """What a checkpointed layer runs in, and what it is computed again in."""
        return nullcontext(), self.of(*self._now)

    def _set(self, gates: Mapping[str, Tensor], rows: Tensor | None) -> None:
        self._now = (gates, rows)
        for name, slot in self._slots.items():
            slot.gates, slot.rows = gates.get(name), rows


class _Slot:
    """The gates of one layer, which act on what its A gives."""

    def __init__(self, layer: str) -> None:
        self._layer = layer
        self.gates: Tensor | None = None
        self.rows: Tensor | None = None

    def __call__(self, module: nn.Module, arguments: Any, inner: Tensor) -> Tensor | None:
        """`[rows, time, rank]`, or `[1, N, rank]` of packed rows, gated; None leaves `inner` as it is."""
        if self.gates is None:
            return None
        gates = self.gates.to(inner.dtype)
        count = len(gates) if self.rows is None else len(self.rows)
        if inner.dim() != 3 or inner.shape[0 if self.rows is None else 1] != count:
            raise ShapeError(
                f"gates of {len(gates)} rows meet {list(inner.shape)} in {self._layer}, which has no row for each list: leave "
                "the layer out of task.lora.targets."
            )
        return inner * (gates.unsqueeze(1) if self.rows is None else (self.rows.to(inner.dtype) @ gates).unsqueeze(0))


class _Within(AbstractContextManager[None]):
    """A block in which gates are others; it may be entered again, as a backward pass may be run again."""

    def __init__(self, holder: Gates, gates: Mapping[str, Tensor], rows: Tensor | None) -> None:
        self._holder, self._gates, self._rows = holder, gates, rows
        self._before: list[tuple[Mapping[str, Tensor], Tensor | None]] = []

    def __enter__(self) -> None:
        self._before.append(self._holder._now)
        self._holder._set(self._gates, self._rows)

    def __exit__(self, *error: object) -> None:
        self._holder._set(*self._before.pop())


@contextmanager
def adapters_off(network: nn.Module) -> Iterator[None]:
    """`network` as it was before LoRA, within the block; what was to be trained still is, afterwards."""
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
        for parameter, was in trained.items():  # PEFT sets these as it sees fit
            parameter.requires_grad_(was)


def _in_its_dtype(module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The inputs of a LoRA's A in the dtype of A, unless autocast sees to that."""
    if torch.is_autocast_enabled(arguments[0].device.type):
        return arguments
    dtype = module.weight.dtype
    return tuple(one.to(dtype) for one in arguments)  # type: ignore[arg-type]


def _is_called(name: str, target: str) -> bool:
    """True when PEFT takes the layer `name` for `target`."""
    return name == target or name.endswith(f".{target}")


def _attention(names: list[str]) -> list[str]:
    """The last two parts of the names of layers directly inside an attention."""
    ends = [".".join(name.split(".")[-2:]) for name in names]
    return sorted({end for end in ends if end.partition(".")[0] in _ATTENTION})
