"""Facts about a transformers model's architecture, such as windows and positions; switches for dropout and checkpointing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from moft import ConfigError, DataError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_STARTS = 512


def embeddings_of(network: PreTrainedModel) -> nn.Embedding:
    """The token embeddings. In some architectures, calling it scales them."""
    table: Any = network.get_input_embeddings()
    return table  # type: ignore[no-any-return]


def disable_dropout(network: PreTrainedModel) -> None:
    """Disables the base model's dropout for good, so that training and reference differ only by what is trained."""
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name, value in vars(module).items():
            if "drop" in name and isinstance(value, float):
                setattr(module, name, 0.0)


def widest_head(network: PreTrainedModel) -> int:
    """Width of the widest attention head, by the config.

    Raises:
        ConfigError: the config has no attention heads.
    """
    config: Any = network.config.get_text_config()
    named = [value for name, value in config.to_dict().items() if name.endswith("head_dim") and isinstance(value, int)]
    if not named and not hasattr(config, "num_attention_heads"):
        raise ConfigError(f"model: {type(network).__name__} has no attention heads in its config, so it cannot be tuned.")
    return max(named) if named else config.hidden_size // config.num_attention_heads


def checkpoint_layers(network: Any, contexts: Callable[[], tuple[Any, Any]]) -> None:
    """Stores only the inputs of layers for the backward pass, in training mode, and recomputes the rest there.

    Args:
        network: is changed in place.
        contexts: called when a layer runs; returns the contexts of its forward pass and of its recomputation.

    Raises:
        ConfigError: the architecture does not support it.
    """
    if not network.supports_gradient_checkpointing:
        raise ConfigError(
            f"gradient_checkpointing: {type(network).__name__} does not support it. Set gradient_checkpointing: false."
        )
    enable = getattr(network, "activation_checkpointing_enable", None) or network.gradient_checkpointing_enable
    enable({"use_reentrant": False, "context_fn": contexts})
    network.disable_input_require_grads()  # only the reentrant kind needs gradients at the embeddings


def ordinary_tokens(tokenizer: PreTrainedTokenizerBase, network: PreTrainedModel) -> Tensor:
    """`[k]` int64, the first whole words of the vocabulary, or its first tokens where it has too few words.

    Special tokens, and added tokens without an embedding, are left out.
    """
    special, rows = set(tokenizer.all_special_ids), len(embeddings_of(network).weight)
    known = ((number, text) for text, number in tokenizer.get_vocab().items() if number < rows)
    by_number = sorted((number, text) for number, text in known if number not in special)
    words = [number for number, text in by_number if len(text) > 2 and text[0] in "Ġ▁" and text[1:].isalpha()][:_STARTS]
    chosen = words if len(words) == _STARTS else [number for number, _ in by_number][:_STARTS]
    return torch.tensor(chosen, device=embeddings_of(network).weight.device)


def unused_rows(tokenizer: PreTrainedTokenizerBase, network: Any) -> Tensor | None:
    """`[vocabulary]` bool, True for rows of the LM head that no token of the tokenizer has; None where all have one."""
    rows = len(network.get_output_embeddings().weight)
    used = torch.tensor([number for number in tokenizer.get_vocab().values() if number < rows])
    unused = torch.ones(rows, dtype=torch.bool).index_fill(0, used, False)
    return unused if unused.any() else None


def check_embedded(tokens: Tensor, tokenizer: PreTrainedTokenizerBase, network: PreTrainedModel, places: Sequence[str]) -> None:
    """Checks that the model has an embedding of every token; some tokenizers have added tokens that it never got.

    Args:
        tokens: `[n]` integers.
        tokenizer: that made them.
        network: the model.
        places: n texts, where each token is, for messages.

    Raises:
        DataError: it has none; the message names the token and its number.
    """
    rows = network.get_input_embeddings().weight.shape[0]
    beyond = (tokens >= rows).nonzero().flatten().tolist()
    if beyond:
        number = int(tokens[beyond[0]])
        raise DataError(
            f"{places[beyond[0]]}: the token {tokenizer.convert_ids_to_tokens(number)!r} is number {number}, but the model has "
            f"embeddings of {rows} tokens. Enlarge it with resize_token_embeddings, or remove the token from the tokenizer."
        )


def layers_of(network: Any) -> list[nn.Module]:
    """The decoder's layers, in order."""
    return [layer for part in network.get_decoder().children() if isinstance(part, nn.ModuleList) for layer in part]


def learned_positions(network: PreTrainedModel) -> int | None:
    """Number of positions that the model has embeddings for; None where positions are computed."""
    words = embeddings_of(network)
    tables = [module for module in network.modules() if isinstance(module, nn.Embedding) and module is not words]
    return network.config.get_text_config().max_position_embeddings if tables else None


def lm_head_of(network: PreTrainedModel) -> tuple[Tensor, Tensor | None, float, float | None]:
    """The LM head: weight `[vocabulary, hidden]`, bias, factor on the logits, and soft cap of the logits."""
    head: Any = network.get_output_embeddings()
    config = network.config.get_text_config()
    scale = getattr(config, "logit_scale", None) or 1.0
    divisor = getattr(config, "logits_scaling", None) or 1.0
    return head.weight, getattr(head, "bias", None), scale / divisor, getattr(config, "final_logit_softcapping", None)
