"""The frozen base model of a task, loaded when it is first needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from moft_llm.loading.model_loading import (
    LoadedModel,
    Precision,
    Quantization,
    load_base,
    model_outline,
    model_without_weights,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class BaseModel:
    """A base model and its tokenizer; nothing is read before one of them is asked for.

    Args:
        name: a folder, the name of a downloaded model, or a name on the hub.
        gguf: a GGUF file within it, or None.
        dtype: of the weights.
        quantization: of the weights.
        device: where the model computes.
        cache: folder of downloaded models and dequantized weights.
        stays_on_cpu: leaves the weights on the CPU.
    """

    def __init__(
        self,
        name: str,
        *,
        gguf: str | None,
        dtype: Precision,
        quantization: Quantization,
        device: torch.device,
        cache: Path,
        stays_on_cpu: bool,
    ) -> None:
        self.name = name
        self._gguf, self._dtype, self._quantization = gguf, dtype, quantization
        self._device, self._cache, self._stays_on_cpu = device, cache, stays_on_cpu
        self._loaded: LoadedModel | None = None

    @property
    def network(self) -> PreTrainedModel:
        """The causal model, in eval mode."""
        return self.load().network

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Its tokenizer."""
        return self.load().tokenizer

    @property
    def hash(self) -> str:
        """Hex SHA-256 of weights, config and tokenizer, and of a merged adapter."""
        return self.load().hash

    @property
    def context_length(self) -> int | None:
        """Tokens that the model takes; None where it has no limit."""
        return context_length(self.network.config)

    @property
    def source(self) -> Mapping[str, str | None]:
        """Where the model is from: `model`, `gguf`, `dtype` and `quantization`, as in the config."""
        return {"model": self.name, "gguf": self._gguf, "dtype": self._dtype, "quantization": self._quantization}

    def outline(self) -> PreTrainedModel:
        """The architecture; with weights only if they have been loaded already."""
        return model_outline(self.name, gguf=self._gguf, cache=self._cache) if self._loaded is None else self._loaded.network

    def without_weights(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase | None, tuple[str, ...]]:
        """The architecture, the tokenizer if no hub has to be asked for it, and what of the files was not looked at."""
        return model_without_weights(self.name, gguf=self._gguf, cache=self._cache)

    def load(self) -> LoadedModel:
        """The model, its tokenizer and what is to be said of them, read once."""
        if self._loaded is None:
            self._loaded = load_base(
                self.name,
                gguf=self._gguf,
                dtype=self._dtype,
                quantization=self._quantization,
                device=self._device,
                cache=self._cache,
                stays_on_cpu=self._stays_on_cpu,
            )
        return self._loaded


def context_length(config: Any) -> int | None:
    """Tokens that a model of this config takes; None where it has no limit."""
    length: int | None = getattr(config, "max_position_embeddings", None)
    return length
