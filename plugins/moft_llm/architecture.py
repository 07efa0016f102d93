"""What a transformers model is asked about itself, and the check that its scores would be right."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from moft import ConfigError, ShapeError
from moft.api import Inputs

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_STARTS = 512
_TOLERANCE = 1e-3
_TOLERANCE_16_BIT = 0.5  # of sums of a few tokens; a wrong mask or position moves them by more


def embeddings_of(network: PreTrainedModel) -> nn.Embedding:
    """The table of word embeddings; some architectures scale what it gives when it is called."""
    table: Any = network.get_input_embeddings()
    return table  # type: ignore[no-any-return]


def without_dropout(network: PreTrainedModel) -> None:
    """Switches the base model's dropout off for good, so that training and reference differ by what is trained alone."""
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0


def checkpoint_layers(network: Any, contexts: Callable[[], tuple[Any, Any]]) -> None:
    """Keeps a layer's input alone for the backward pass, in training mode, and computes the rest again there.

    Args:
        network: in place.
        contexts: asked when a layer runs, what it is to run in, and what it is to be computed again in.

    Raises:
        ConfigError: the architecture cannot.
    """
    if not network.supports_gradient_checkpointing:
        raise ConfigError(f"gradient_checkpointing: {type(network).__name__} cannot do it. Set gradient_checkpointing: false.")
    enable = getattr(network, "activation_checkpointing_enable", None) or network.gradient_checkpointing_enable
    enable({"use_reentrant": False, "context_fn": contexts})
    network.disable_input_require_grads()  # only the reentrant kind needs gradients at the embeddings


def ordinary_tokens(tokenizer: PreTrainedTokenizerBase, network: PreTrainedModel) -> Tensor:
    """`[k]` int64, the first whole words of the vocabulary, or where it has too few, its first tokens.

    None are special, nor of those that a reader added and the network has no embedding for.
    """
    special, rows = set(tokenizer.all_special_ids), len(embeddings_of(network).weight)
    known = ((number, text) for text, number in tokenizer.get_vocab().items() if number < rows)
    by_number = sorted((number, text) for number, text in known if number not in special)
    words = [number for number, text in by_number if len(text) > 2 and text[0] in "Ġ▁" and text[1:].isalpha()][:_STARTS]
    chosen = words if len(words) == _STARTS else [number for number, _ in by_number][:_STARTS]
    return torch.tensor(chosen, device=embeddings_of(network).weight.device)


def layers_of(network: Any) -> list[nn.Module]:
    """The decoder's layers, in order."""
    return [layer for part in network.get_decoder().children() if isinstance(part, nn.ModuleList) for layer in part]


def shortest_window(network: PreTrainedModel) -> int | None:
    """Tokens that the narrowest layer sees back; None where all see everything."""
    config = network.config.get_text_config()
    kinds = getattr(config, "layer_types", None)
    windows = [
        getattr(config, name, None)
        for name, kind in (("sliding_window", "sliding_attention"), ("attention_chunk_size", "chunked_attention"))
        if kinds is None or kind in kinds
    ]
    return min((window for window in windows if window), default=None)


def learned_positions(network: PreTrainedModel) -> int | None:
    """How many positions the model has embeddings for; None where positions are computed."""
    words = embeddings_of(network)
    tables = [module for module in network.modules() if isinstance(module, nn.Embedding) and module is not words]
    return network.config.get_text_config().max_position_embeddings if tables else None


def head_of(network: PreTrainedModel) -> tuple[Tensor, Tensor | None, float, float | None]:
    """The LM head: weight `[vocabulary, hidden]`, bias, what logits are multiplied by, and what softly bounds them."""
    head: Any = network.get_output_embeddings()
    config = network.config.get_text_config()
    scale = getattr(config, "logit_scale", None) or 1.0
    divisor = getattr(config, "logits_scaling", None) or 1.0
    return head.weight, getattr(head, "bias", None), scale / divisor, getattr(config, "final_logit_softcapping", None)


def check_scores(
    network: PreTrainedModel, share_prompt: bool, may_pack: bool, scores: Callable[[Inputs, bool, bool], Tensor]
) -> bool:
    """True when packed sequences score as padded rows do. Tried on a few tokens, and that those are the network's own scores.

    Args:
        network: an architecture of any kind.
        share_prompt: True to try that way, too.
        may_pack: True to try packed sequences.
        scores: of inputs, with the prompt shared or not, and packed or not, `[1, 2]`.

    Raises:
        ConfigError: padded rows do not score as the network does by itself.
    """
    weight = embeddings_of(network).weight
    name = type(network).__name__
    prompt, first, second = [5, 9, 3], [7, 4], [8, 6, 10]
    limit = len(weight)
    tokens = torch.tensor([[*prompt, *first, *second]], device=weight.device) % limit
    segments = torch.tensor([[0, 0, 0, 1, 1, 2, 2, 2]], device=weight.device)
    inputs = {"tokens": tokens, "segments": segments, "items": segments.new_ones(1, 2, dtype=torch.bool)}
    tolerance = _TOLERANCE if weight.dtype in (torch.float32, torch.float64) else _TOLERANCE_16_BIT
    with torch.no_grad():
        own = torch.stack([_own_score(network, tokens[:, segments[0] != other], len(prompt)) for other in (2, 1)])

        def is_near(share: bool, pack: bool) -> bool:
            return torch.allclose(scores(inputs, share, pack)[0], own, atol=tolerance, rtol=0)

        if not is_near(False, False):
            raise ConfigError(
                f"model: the logits of {name} are not those of its hidden states and LM head alone; it cannot be tuned here."
            )
        if share_prompt and not _holds(is_near, True, False):
            raise ConfigError(f"share_prompt: {name} scores otherwise when responses share a row. Set share_prompt: false.")
        return may_pack and all(_holds(is_near, share, True) for share in {share_prompt, False})


def _holds(is_near: Callable[[bool, bool], bool], share: bool, pack: bool) -> bool:
    """Whether scores are near, and False when the network takes no mask, positions or packing of that kind."""
    try:
        return is_near(share, pack)
    except (TypeError, ValueError, RuntimeError, ShapeError):
        return False


def _own_score(network: PreTrainedModel, tokens: Tensor, prompt: int) -> Tensor:
    """`[]`, log-probability of what follows the prompt, from the logits that the network gives itself."""
    logits: Tensor = network(input_ids=tokens, use_cache=False).logits.float().log_softmax(-1)
    found = logits[:, prompt - 1 : -1].gather(2, tokens[:, prompt:, None])
    return found.sum()
