"""The text decoder of a multimodal model, as a causal language model of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from moft import DataError
from moft_llm.loading.error_lines import error_line
from moft_llm.loading.trial_tokens import trial_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_MODALITIES = ("text", "vision", "audio", "vq")  # in the names of the parts of a config
_SAME_ON_TEXT = {"qwen2_vl_text": "qwen2", "qwen2_5_vl_text": "qwen2", "qwen3_vl_text": "qwen3"}
"""Decoders whose positions of three axes are those of another decoder where there is only text."""
_TOLERANCE, _TOLERANCE_16_BIT = 1e-4, 0.05  # of logits; the arithmetic is the same


def is_multimodal(config: Any) -> bool:
    """Whether a config of transformers has parts, such as one for images."""
    return any(part.startswith(_MODALITIES) for part in type(config).sub_configs)


def has_text_decoder(config: Any) -> bool:
    """Whether a multimodal model can be loaded for its text decoder: one that follows a text, with a config of its own."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL

    text = config.get_text_config(decoder=True)
    is_causal = text.model_type in CAUSAL or text.model_type in _SAME_ON_TEXT
    return is_multimodal(config) and text is not config and is_causal and not config.is_encoder_decoder


def text_decoder(whole: PreTrainedModel, name: str) -> PreTrainedModel:
    """The text decoder of a multimodal model, with its LM head; it shares the parameters of `whole`.

    Its logits on a few tokens are compared with those of `whole`, unless that has no weights.

    Args:
        whole: a model whose config has parts.
        name: of the model, for messages.

    Raises:
        DataError: it has no text decoder that gives its logits.
    """
    kind = type(whole).__name__
    refusal = f"{name}: {kind} also takes images or sound, and its text decoder cannot be tuned alone"
    if not has_text_decoder(whole.config):
        raise DataError(f"{refusal}. Choose a text model.")
    try:
        text = _decoder_of(whole)
        fault = None if whole.device.type == "meta" else _difference(whole, text)
    except Exception as error:  # raised by the code of any architecture
        raise DataError(f"{refusal}: {error_line(error)}") from error
    if fault is not None:
        raise DataError(f"{refusal}: on text alone, its logits differ by up to {fault:.2g} from those of the whole model.")
    return text


def _decoder_of(whole: Any) -> PreTrainedModel:
    """The text decoder in its own class."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = whole.config.get_text_config(decoder=True)
    replaced = _SAME_ON_TEXT.get(config.model_type)
    if replaced is not None:
        settings = {name: value for name, value in config.to_dict().items() if name != "model_type"}
        settings["rope_parameters"] = {name: value for name, value in config.rope_parameters.items() if "mrope" not in name}
        config = AutoConfig.for_model(replaced, **settings)
    with torch.device("meta" if replaced is None else whole.device):
        text: Any = AutoModelForCausalLM.from_config(config, dtype=whole.dtype)
    inner = text.base_model_prefix
    found = next((part for part in whole.modules() if type(part) is type(text)), None)
    if found is not None:
        text = found
    elif replaced is None:
        decoder = next(part for part in whole.modules() if type(part) is type(getattr(text, inner)))
        setattr(text, inner, decoder)
        text.config = decoder.config
        _take_head(text, whole)
    else:
        getattr(text, inner).load_state_dict(whole.get_decoder().state_dict(), assign=True)
        _take_head(text, whole)
    text.generation_config = whole.generation_config
    lacking = [place for place, value in text.named_parameters() if value.device != whole.device]
    if lacking:
        raise ValueError(f"its text decoder lacks {lacking[0]}")
    return text.eval()


def _take_head(text: Any, whole: Any) -> None:
    head: nn.Module = whole.get_output_embeddings()
    text.set_output_embeddings(head)


def _difference(whole: Any, text: Any) -> float | None:
    """The largest difference between the logits of two models on text; None where it is rounding."""
    tokens = trial_tokens(whole)
    given = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), "use_cache": False}
    with torch.no_grad():
        expected, found = whole.eval()(**given).logits.float(), text(**given).logits.float()
    largest = float((found - expected).abs().max())
    allowed = _TOLERANCE if whole.dtype in (torch.float32, torch.float64) else _TOLERANCE_16_BIT
    return None if largest <= allowed * max(1.0, float(expected.abs().max())) else largest
