"""A hash of a model and its tokenizer, which tells whether two are the same."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_IGNORED = {"transformers_version", "dtype", "torch_dtype", "_name_or_path", "_attn_implementation", "quantization_config"}
"""Fields of a config that say where its model is from and how it is loaded."""


def content_hash(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *more: str) -> str:
    """Hex SHA-256 over every weight with its name, the model's config, everything the tokenizer depends on, and `more`.

    It is the same on every device, and in every version of transformers that reads the model the same way. Weights that fit
    into 16 bits are hashed as bfloat16, which they are on a GPU where `dtype` is `auto`.
    """
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        hashed = _in_16_bits(value)
        digest.update(f"{name}\0{hashed.dtype}\0{list(hashed.shape)}\0".encode())
        digest.update(_bytes(hashed))
    for text in (_config_text(model), _tokenizer_text(tokenizer), *more):
        digest.update(hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest())
    return digest.hexdigest()


def _in_16_bits(value: Tensor) -> Tensor:
    """A float32 tensor as bfloat16, where bfloat16 or float16 holds it exactly; else the tensor itself."""
    if value.dtype != torch.float32 or not any(value.to(short).float().equal(value) for short in (torch.bfloat16, torch.float16)):
        return value
    return value.bfloat16()


def _bytes(value: Tensor) -> Any:
    """The bytes of a tensor, on the CPU."""
    flat = value.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy()


def _config_text(model: PreTrainedModel) -> str:
    """What a config says about the model itself."""
    config = json.loads(
        model.config.to_json_string(), object_hook=lambda part: {k: v for k, v in part.items() if k not in _IGNORED}
    )
    return json.dumps(config, sort_keys=True)


def _tokenizer_text(tokenizer: PreTrainedTokenizerBase) -> str:
    """Everything that decides the tokens of a text, as text."""
    backend = getattr(tokenizer, "backend_tokenizer", None)  # only those of the tokenizers library have one
    rules = backend.to_str() if backend is not None else json.dumps(sorted(tokenizer.get_vocab().items()))
    return json.dumps([rules, type(tokenizer).__name__, tokenizer.chat_template, str(tokenizer.special_tokens_map)])
