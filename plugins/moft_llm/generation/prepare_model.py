"""A model prepared to generate: in eval mode, uncompiled, and without the generation config that was saved with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from moft_llm.loading.transformers_logging import quiet
from moft_llm.network.language_model import LanguageModel

if TYPE_CHECKING:
    from transformers import GenerationConfig


@contextmanager
def generation_mode(model: LanguageModel) -> Iterator[None]:
    """Sets the model to eval mode within the block. Of its saved generation config, only the end tokens stay."""
    was_training, saved = model.training, model.network.generation_config
    ends, padding = sorted(end_tokens(model)), int(model.tokenizer.pad_token_id)
    model.network.generation_config = generation_config(eos_token_id=ends, pad_token_id=padding)
    model.eval()
    try:
        with model.uncompiled(), quiet():
            yield
    finally:
        model.train(was_training)
        model.network.generation_config = saved


def end_tokens(model: LanguageModel) -> set[int]:
    """The tokens that end a response: the end of a turn, the tokenizer's EOS, and those of the model's generation config."""
    saved = getattr(model.network.generation_config, "eos_token_id", None)
    more = saved if isinstance(saved, list) else [] if saved is None else [saved]
    own = [] if model.turn_end is None else [model.turn_end]
    return {int(model.tokenizer.eos_token_id), *own, *map(int, more)}


def generation_config(**settings: Any) -> GenerationConfig:
    """The generation config of transformers."""
    from transformers import GenerationConfig

    return GenerationConfig(**settings)
