"""Checks of the files of a model folder, before a library reads them and reports damage in words of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from moft import DataError
from moft.api import json_of
from moft_llm.loading.error_lines import error_line

_WHOLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_SETTINGS = ("config.json", "generation_config.json", "adapter_config.json")
_LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
_OF_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json")


def check_model_files(folder: Path, name: str) -> None:
    """Checks config, weights and tokenizer of a folder, as far as each file shows alone whether it is whole.

    Args:
        folder: of a model.
        name: of the model, for messages.

    Raises:
        DataError: a file is damaged, or one that another file names is not there; the message names it.
    """
    settings = {file: _object(folder / file, f"{name}: no model could be read: {file}") or {} for file in _SETTINGS}
    for file, content in settings.items():
        ends = content.get("eos_token_id")
        if not all(isinstance(end, int | None) for end in (ends if isinstance(ends, list) else [ends])):
            raise DataError(
                f"{name}: no model could be read: {file}: eos_token_id is {str(ends)[:40]!r}, not a number of a token."
            )
    weights = _check_weights(folder, f"{name}: no causal language model in safetensors could be read:")
    config = settings["config.json"]
    layers = [part.get(key) for part in (config, config.get("text_config")) if isinstance(part, dict) for key in _LAYERS]
    most = max((count for count in layers if isinstance(count, int)), default=0)
    if most > weights > 0:  # building them all would fill the memory
        raise DataError(f"{name}: no model could be read: config.json: has {most:,} layers, and the files {weights:,} weights.")
    for file in _OF_TOKENIZER:
        _object(folder / file, f"{name}: no tokenizer could be read: {file}")


def check_safetensors(file: Path, start: str) -> int:
    """The number of weights in a file that is whole.

    Args:
        file: in safetensors.
        start: of the message.

    Raises:
        DataError: it is damaged.
    """
    from safetensors import safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            return len(opened.keys())
    except Exception as error:  # the library's own class
        raise DataError(f"{start} {file.name} is cut short or damaged ({error_line(error)}).") from error


def _check_weights(folder: Path, start: str) -> int:
    """The number of weights in the files that transformers reads: one, or those that an index names."""
    files = [_WHOLE] if (folder / _WHOLE).is_file() else []
    if not files and (index := _object(folder / _INDEX, f"{start} {_INDEX}")) is not None:
        shards = index.get("weight_map")
        if not isinstance(shards, dict) or not all(isinstance(shard, str) for shard in shards.values()):
            raise DataError(f"{start} {_INDEX} has no weight_map of file names.")
        files = sorted(set(shards.values()))
    weights = 0
    for file in files:
        if Path(file).name != file or not (folder / file).is_file():
            raise DataError(f"{start} {_INDEX} names {file}, which is not in the folder.")
        weights += check_safetensors(folder / file, start)
    return weights


def _object(file: Path, place: str) -> dict[str, Any] | None:
    """The content of a JSON file that holds an object; None where there is no such file."""
    if not file.is_file():
        return None
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: is not text ({error.reason}).") from error
    content = json_of(text, place)
    if not isinstance(content, dict):
        raise DataError(f"{place}: holds {type(content).__name__}, not an object of settings.")
    return content
