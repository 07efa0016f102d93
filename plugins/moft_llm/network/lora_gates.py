"""Gates of LoRA: `B diag(g) A`, with a different g for each row of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import Tensor, nn

from moft import ShapeError


class Gates:
    """The current gates of all LoRA layers of a network.

    A layer that is recomputed in the backward pass gets the gates of its forward pass.
    """

    def __init__(self) -> None:
        self._layers: dict[str, _LayerGates] = {}
        self._current: tuple[Mapping[str, Tensor], Tensor | None] = ({}, None)

    def attach(self, network: nn.Module) -> dict[str, int]:
        """Hooks into every LoRA layer of `network`, and returns their ranks by name."""
        from peft.tuners.lora import LoraLayer

        ranks = {}
        for name, module in network.named_modules():
            if isinstance(module, LoraLayer):
                inner: Any = module.lora_A["default"]
                self._layers[name] = _LayerGates(name)
                inner.register_forward_hook(self._layers[name])
                ranks[name] = inner.out_features
        return ranks

    def of(self, gates: Mapping[str, Tensor], rows: Tensor | None = None) -> AbstractContextManager[None]:
        """Applies `gates`, `[rows, rank]` by layer, within the block; other layers have no gates.

        Args:
            gates: by layer.
            rows: `[N, rows]`, for tokens packed into one row, `[1, N]`: one where a token belongs to a row, else zero. None where
                rows are not packed. Multiplying by it sums gradients in float32, which indexing would not.
        """
        return _GatedBlock(self, gates, rows)

    def contexts(self) -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        """The contexts of a checkpointed layer's forward pass and recomputation."""
        return nullcontext(), self.of(*self._current)

    def _set(self, gates: Mapping[str, Tensor], rows: Tensor | None) -> None:
        self._current = (gates, rows)
        for name, layer in self._layers.items():
            layer.gates, layer.rows = gates.get(name), rows


class _LayerGates:
    """The gates of one layer, which multiply the output of its A."""

    def __init__(self, layer: str) -> None:
        self._layer = layer
        self.gates: Tensor | None = None
        self.rows: Tensor | None = None

    def __call__(self, module: nn.Module, arguments: Any, inner: Tensor) -> Tensor | None:
        """The output of A, gated; None leaves it as it is.

        It is `[rows, ..., time, rank]`, or `[1, ..., N, rank]` of packed rows. Some layers have more axes, such as one for heads.
        """
        if self.gates is None:
            return None
        gates = self.gates.to(inner.dtype)
        is_packed = self.rows is not None
        fits = inner.dim() > 2 and inner.shape[-2 if is_packed else 0] == (len(gates) if self.rows is None else len(self.rows))
        if not fits or (is_packed and inner.shape[:-2].numel() != 1):
            raise ShapeError(
                f"{self._layer} returns {list(inner.shape)} for {len(gates)} rows, so it cannot be gated by row. Leave "
                "it out of task.lora.targets."
            )
        if self.rows is not None:
            return inner * (self.rows.to(inner.dtype) @ gates)
        return inner * gates.view(len(gates), *[1] * (inner.dim() - 2), -1)


class _GatedBlock(AbstractContextManager[None]):
    """A block with other gates. It can be entered several times, because a backward pass can run several times."""

    def __init__(self, holder: Gates, gates: Mapping[str, Tensor], rows: Tensor | None) -> None:
        self._holder, self._gates, self._rows = holder, gates, rows
        self._before: list[tuple[Mapping[str, Tensor], Tensor | None]] = []

    def __enter__(self) -> None:
        self._before.append(self._holder._current)
        self._holder._set(self._gates, self._rows)

    def __exit__(self, *error: object) -> None:
        self._holder._set(*self._before.pop())
