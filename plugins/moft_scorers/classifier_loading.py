"""Loads sequence classifiers of transformers from folders and hub names; weights are safetensors, nothing is unpickled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from moft import ConfigError, DataError
from moft.api import check_hub, user_path

_DEFAULT_MAX_TOKENS = 4096  # of a text, where neither model nor tokenizer has a limit


def load_classifier(name: str, dtype: torch.dtype) -> tuple[Any, Any]:
    """A frozen model in eval mode on the CPU, and its tokenizer, which has a padding token.

    Raises:
        ConfigError: there is no such model, or it has no classification head or no tokenizer.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = user_path(name)
    if not folder.is_dir() and (folder.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1):
        raise ConfigError(
            f"model: {name} is not a folder. A model is a folder, or a name on the Hugging Face hub such as owner/model."
        )
    place = str(folder) if folder.is_dir() else name
    if not folder.is_dir():
        try:
            check_hub(name, "config.json")
        except DataError as error:
            raise ConfigError(f"model: {error}") from error
    try:
        with _quiet():
            network, loading_info = AutoModelForSequenceClassification.from_pretrained(
                place, dtype=dtype, use_safetensors=True, trust_remote_code=False, output_loading_info=True
            )
            tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(f"model: {name}: no classifier in safetensors with a tokenizer can be read: {reason}") from error
    missing = sorted(loading_info["missing_keys"])
    if missing:
        raise ConfigError(f"model: {name} has no weights {', '.join(missing[:3])}, so it is not a trained classifier.")
    words = tokenizer.get_vocab().keys() - set(tokenizer.all_special_tokens)
    if not words:  # without a file, transformers makes a tokenizer of special tokens only
        raise ConfigError(f"model: {name} has no tokenizer.json, or one without a vocabulary.")
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise ConfigError(f"model: the tokenizer of {name} needs a padding token or an end-of-sequence token.")
        tokenizer.pad_token = tokenizer.eos_token
    rows = network.get_input_embeddings().weight.shape[0]
    known = tokenizer.get_vocab()
    used = words - tokenizer.get_added_vocab().keys()
    if max(known[word] for word in {*used, tokenizer.pad_token}) >= rows:
        raise ConfigError(
            f"model: the tokenizer of {name} has {len(known)} tokens, the model {rows}; they belong to different models."
        )
    if network.config.pad_token_id is None:
        network.config.pad_token_id = tokenizer.pad_token_id
    return network.eval().requires_grad_(False), tokenizer


def max_tokens(network: Any, tokenizer: Any, wanted: int | None) -> int:
    """The most tokens of a text.

    Raises:
        ConfigError: `wanted` is more than the model has positions for.
    """
    limit: int | None = getattr(network.config.get_text_config(), "max_position_embeddings", None)
    if limit is not None:
        tables = [module for name, module in network.named_modules() if name.endswith("position_embeddings")]
        offsets = [table.padding_idx + 1 for table in tables if getattr(table, "padding_idx", None) is not None]
        limit -= max(offsets, default=0)  # RoBERTa counts positions from its padding token on
    if wanted is not None and limit is not None and wanted > limit:
        raise ConfigError(f"max_length: {wanted} is too long; the model has positions for {limit} tokens.")
    return wanted or min(limit or _DEFAULT_MAX_TOKENS, int(tokenizer.model_max_length))


@contextmanager
def _quiet() -> Iterator[None]:
    """Shows no progress bars and no reports of transformers within the block."""
    from transformers import utils

    logging: Any = utils.logging  # its functions have no types
    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()
