"""Sequence classifiers of transformers, from folders and hub names; weights are safetensors, nothing is unpickled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from moft import ConfigError

_USUAL = 4096  # tokens of a text where neither model nor tokenizer has a limit


def load_classifier(name: str, dtype: torch.dtype) -> tuple[Any, Any]:
    """A frozen model in eval mode on the CPU, and its tokenizer, which has a padding token.

    Raises:
        ConfigError: there is no such model, it has no weights of a classifier, or no tokenizer.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = Path(name).expanduser()
    if not folder.is_dir() and (folder.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1):
        raise ConfigError(f"model: {name} is no folder; a model is a folder, or a name on the hub like owner/model.")
    place = str(folder) if folder.is_dir() else name
    try:
        with _quiet():
            network, found = AutoModelForSequenceClassification.from_pretrained(
                place, dtype=dtype, use_safetensors=True, trust_remote_code=False, output_loading_info=True
            )
            tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(f"model: {name}: no classifier in safetensors with a tokenizer can be read there: {said}") from error
    lacking = sorted(found["missing_keys"])
    if lacking:
        raise ConfigError(f"model: {name} has no weights for {', '.join(lacking[:3])}; it is not trained to classify.")
    words = tokenizer.get_vocab().keys() - set(tokenizer.all_special_tokens)
    if not words:  # transformers makes up a tokenizer of special tokens where it finds no file of one
        raise ConfigError(f"model: {name} has no vocabulary of a tokenizer; tokenizer.json has to lie there.")
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise ConfigError(f"model: the tokenizer of {name} has no padding token and no end-of-sequence token; it needs one.")
        tokenizer.pad_token = tokenizer.eos_token
    rows = network.get_input_embeddings().weight.shape[0]
    known = tokenizer.get_vocab()
    own = words - tokenizer.get_added_vocab().keys()
    if max(known[word] for word in {*own, tokenizer.pad_token}) >= rows:
        raise ConfigError(
            f"model: the tokenizer of {name} knows {len(known)} tokens, the model {rows}; they are not of one model."
        )
    if network.config.pad_token_id is None:
        network.config.pad_token_id = tokenizer.pad_token_id
    return network.eval().requires_grad_(False), tokenizer


def most_tokens(network: Any, tokenizer: Any, wanted: int | None) -> int:
    """The most tokens of a text.

    Raises:
        ConfigError: more are wanted than the model has positions for.
    """
    most: int | None = getattr(network.config.get_text_config(), "max_position_embeddings", None)
    if most is not None:
        tables = [module for name, module in network.named_modules() if name.endswith("position_embeddings")]
        offsets = [table.padding_idx + 1 for table in tables if getattr(table, "padding_idx", None) is not None]
        most -= max(offsets, default=0)  # RoBERTa counts positions from behind its padding token
    if wanted is not None and most is not None and wanted > most:
        raise ConfigError(f"max_length: {wanted} tokens, and the model has positions for {most}.")
    return wanted or min(most or _USUAL, int(tokenizer.model_max_length))


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no advice of transformers within the block."""
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
