"""A PEFT adapter in the place of a model: found, and merged into the model that it changes."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from moft import DataError
from moft.api import json_of, user_path
from moft_llm.loading.error_lines import error_line
from moft_llm.loading.model_files import check_safetensors
from moft_llm.loading.trial_tokens import trial_tokens
from moft_llm.loading.weight_checks import check_finite

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

_MERGE_FIRST = "Merge it with PEFT's merge_and_unload, and save the model that this returns."
_PLACES = ("base_model_name_or_path", "revision", "inference_mode")  # say nothing about what an adapter computes
_ROWS = {"weight": 0, "modules_to_save.weight": 0, "base_layer.weight": 0, "lora_embedding_A": 1}  # which axis is the vocabulary
_TOLERANCE = 1e-3  # of logits, before and after merging


@dataclass(frozen=True)
class Adapter:
    """A PEFT adapter and the model that it changes.

    Args:
        place: its folder, or its name on the hub.
        base: folder or hub name of the model; the same where both are in one place.
        config: of PEFT.
        weights: the file with its matrices.
    """

    place: str
    base: str
    config: dict[str, Any]
    weights: Path

    @property
    def note(self) -> str:
        """What was done with it, for the user."""
        where = "holds an adapter beside the model" if self.base == self.place else f"is an adapter of {self.base}"
        return f"{self.place} {where}; it is merged into that model, so policy and reference both start from the two together."

    def digest(self) -> str:
        """A hash of its config and matrices."""
        config = {name: value for name, value in self.config.items() if name not in _PLACES}
        return hashlib.sha256(json.dumps(config, sort_keys=True).encode() + self.weights.read_bytes()).hexdigest()


def find_adapter(name: str, gguf: str | None) -> Adapter | None:
    """The adapter in a folder, or in the hub's cache under a name; None where there is none.

    Args:
        name: of the folder, or on the hub.
        gguf: the GGUF file that holds the model there, or None.

    Raises:
        DataError: it cannot be merged into a model, or the model that it changes is not found.
    """
    file = _file(name, CONFIG)
    if file is None:
        return None
    config = json_of(file.read_text(encoding="utf-8", errors="replace"), f"{name}: {CONFIG}")
    if not isinstance(config, dict):
        raise DataError(f"{name}: {CONFIG} holds no object of settings, so it is not one of PEFT's.")
    weights = _file(name, WEIGHTS)
    if weights is None:
        raise DataError(f"{name}: has {CONFIG}, but no {WEIGHTS}. Save the adapter as safetensors: nothing else is read.")
    check_safetensors(weights, f"{name}: no adapter could be read:")
    holds_model = gguf is not None or _file(name, "config.json") is not None
    base = name if holds_model else _base_of(name, config)
    if base != name and _file(base, CONFIG) is not None:
        raise DataError(f"{name}: an adapter of {base}, which holds an adapter itself. {_MERGE_FIRST}")
    return Adapter(name, base, config, weights)


def fetch_adapter(name: str) -> None:
    """Downloads the adapter of a name on the hub into the hub's cache, if it has one there."""
    from transformers.utils import cached_file

    if not user_path(name).is_dir() and cached_file(name, CONFIG, _raise_exceptions_for_missing_entries=False) is not None:
        cached_file(name, WEIGHTS, _raise_exceptions_for_missing_entries=False)


def merge_adapter(network: PreTrainedModel, adapter: Adapter) -> PreTrainedModel:
    """The network with the adapter in its weights; the network itself is used up.

    Args:
        network: the model that the adapter changes, in float32 on the CPU.
        adapter: to merge.

    Raises:
        DataError: the adapter is of another model, or of a kind that cannot become part of weights.
    """
    from peft import PeftConfig, PeftModel

    name, kind = adapter.place, adapter.config.get("peft_type")
    _check_vocabulary(network, adapter)
    tokens = trial_tokens(network)
    try:
        config: Any = PeftConfig.from_pretrained(name)
        if config.is_prompt_learning:
            raise DataError(
                f"{name}: an adapter of the kind {kind} adds tokens and cannot be merged into weights. Train from its base."
            )
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # what they say is checked here
            adapted: Any = PeftModel(network, config)
            found = adapted.load_adapter(name, "default", torch_device=str(network.device))
            strange = [*found.missing_keys, *found.unexpected_keys]
            if strange:
                told = f"they differ in {len(strange)} weights, such as {strange[0]}"
                raise DataError(f"{name}: {WEIGHTS} is not an adapter of {adapter.base}: {told}.")
            adapted.eval()
            check_finite(adapted, name)
            expected = adapted(input_ids=tokens).logits
            _untie(adapted)
            merged = adapted.merge_and_unload()
            is_changed = not torch.allclose(merged(input_ids=tokens).logits, expected, atol=_TOLERANCE, rtol=_TOLERANCE)
    except DataError:
        raise
    except Exception as error:  # each kind of adapter raises errors of its own
        told = error_line(error)
        raise DataError(f"{name}: the adapter ({kind}) cannot be merged into {adapter.base}: {told}") from error
    if is_changed:
        raise DataError(
            f"{name}: the adapter ({kind}) gives other logits when it is merged into weights, so it cannot be a base."
        )
    if hasattr(merged, "peft_config"):  # which says that there are adapters
        del merged.peft_config
    _tie_again(merged)
    return merged


def _check_vocabulary(network: Any, adapter: Adapter) -> None:
    """Checks that an adapter of embeddings or LM head has the rows of the model.

    Raises:
        DataError: it has others, mostly after `resize_token_embeddings`.
    """
    from safetensors import safe_open

    ends = {id(part) for part in (network.get_input_embeddings(), network.get_output_embeddings()) if part is not None}
    tables = {name: module.weight.shape[0] for name, module in network.named_modules() if id(module) in ends}
    with safe_open(adapter.weights, framework="pt") as opened:
        for key in opened.keys():  # noqa: SIM118 - not a mapping
            for name, count in tables.items():
                _, is_there, part = key.rpartition(f".{name}.")
                if not is_there or part not in _ROWS:
                    continue
                rows = opened.get_slice(key).get_shape()[_ROWS[part]]
                if rows != count:
                    raise DataError(
                        f"{adapter.place}: the adapter has a vocabulary of {rows} tokens, but {adapter.base} has one of {count}. "
                        f"{_MERGE_FIRST}"
                    )


def has_tokenizer(adapter: Adapter) -> bool:
    """Whether a tokenizer was saved with an adapter, beside which it was trained."""
    return _file(adapter.place, "tokenizer_config.json") is not None


def _untie(adapted: Any) -> None:
    """Gives an LM head that shares the matrix of the embeddings its own, where an adapter changes one of the two."""
    head, table = adapted.get_output_embeddings(), adapted.get_input_embeddings()
    if not any(hasattr(layer, "get_base_layer") for layer in (head, table)):
        return
    head, table = (layer.get_base_layer() if hasattr(layer, "get_base_layer") else layer for layer in (head, table))
    if head is not None and head.weight is table.weight:
        head.weight = torch.nn.Parameter(head.weight.detach().clone(), requires_grad=False)


def _tie_again(network: Any) -> None:
    """Ties the LM head to the embeddings where both are equal, else says in the config that an adapter has parted them."""
    head, table = network.get_output_embeddings(), network.get_input_embeddings()
    config = network.config.get_text_config()
    if head is None or head.weight is table.weight or head.weight.shape != table.weight.shape:
        return
    if config.tie_word_embeddings and torch.equal(head.weight, table.weight):
        head.weight = table.weight
        return
    for one in {id(config): config, id(network.config): network.config}.values():
        one.tie_word_embeddings = False


def _file(name: str, file: str) -> Path | None:
    """A file of a folder, or of a name on the hub where its cache has it; None where there is none."""
    folder = user_path(name)
    if folder.is_dir():
        return folder / file if (folder / file).is_file() else None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, file)
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None


def _base_of(name: str, config: dict[str, Any]) -> str:
    """Folder or hub name of the model that an adapter without one was trained on."""
    base = config.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise DataError(f"{name}: an adapter whose {CONFIG} names no base_model_name_or_path. {_MERGE_FIRST}")
    near = user_path(name)
    places = [user_path(base), *([near / base, near.parent / base] if near.is_dir() else [])]
    folder = next((place for place in places if place.is_dir()), None)
    if folder is not None:
        return str(folder)
    if _file(base, "config.json") is not None:
        return base
    looked = ", ".join(map(str, places))
    raise DataError(f"{name}: an adapter of {base!r}, which is no folder ({looked}) and not in the hub's cache. {_MERGE_FIRST}")
