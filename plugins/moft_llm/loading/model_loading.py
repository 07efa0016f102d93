"""Loads language models and tokenizers from folders, hub names and GGUF files; weights are safetensors, nothing is unpickled."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from moft import ConfigError, DataError, MoftError
from moft.api import user_path
from moft_llm.loading.adapters import Adapter, fetch_adapter, find_adapter, has_tokenizer, merge_adapter
from moft_llm.loading.content_hash import content_hash
from moft_llm.loading.error_lines import error_line
from moft_llm.loading.model_files import check_model_files
from moft_llm.loading.model_path import check_model_path, model_path
from moft_llm.loading.text_decoder import has_text_decoder, is_multimodal, text_decoder
from moft_llm.loading.transformers_logging import quiet
from moft_llm.loading.weight_checks import LOADING_OPTIONS, check_complete, check_finite, check_shapes

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Precision = Literal["auto", "float32", "bfloat16"]
Quantization = Literal["none", "4bit"]


@dataclass(frozen=True)
class LoadedModel:
    """A frozen causal model in eval mode, ready to be a base.

    Args:
        network: the model.
        tokenizer: its tokenizer, which pads with EOS where it has no padding token.
        hash: hex SHA-256 of weights, config and tokenizer, and of an adapter that was merged.
        notes: sentences for the user on what was made of the files.
        changes: clauses on how the network differs from what transformers loads from the same place; none where it does not.
    """

    network: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    hash: str
    notes: tuple[str, ...]
    changes: tuple[str, ...]


def load_base(
    name: str,
    *,
    gguf: str | None = None,
    dtype: Precision = "auto",
    quantization: Quantization = "none",
    device: torch.device,
    cache: Path | None = None,
    stays_on_cpu: bool = False,
) -> LoadedModel:
    """A causal model on `device`. An adapter in its place is merged; of a multimodal model, it is the text decoder.

    Args:
        name: a folder, the name of a downloaded model, or a name on the Hugging Face hub; only the last uses the network. A
            folder may hold a PEFT adapter, with its model or without.
        gguf: a GGUF file within it, whose weights are dequantized; None takes the only GGUF file of a folder without another
            model.
        dtype: of the weights; `auto` is float32 on a CPU, and elsewhere bfloat16 for weights saved in 16 bits.
        quantization: `4bit` holds linear layers in NF4, through bitsandbytes.
        device: where the model computes.
        cache: a folder with downloaded models, where the dequantized weights of GGUF files are kept; None reads a GGUF file
            every time, which is slow.
        stays_on_cpu: leaves the weights on the CPU; `device` still decides their dtype.

    Raises:
        DataError: there is no such folder or name; it holds no causal model, safetensors or tokenizer; weights are missing or
            not finite; or an adapter cannot be merged.
        ConfigError: transformers or bitsandbytes is not installed, or the settings exclude each other.
    """
    name, gguf = model_path(name, gguf, cache)
    if quantization == "4bit" and gguf is not None:
        raise ConfigError("[task.quantization] 4bit cannot be combined with gguf: GGUF files are dequantized when they are read.")
    if quantization == "4bit" and find_spec("bitsandbytes") is None:
        raise ConfigError("[task.quantization] 4bit needs the package bitsandbytes: pip install bitsandbytes.")
    if find_spec("transformers") is None:  # a config's task is refused earlier
        raise ConfigError("a language model needs the package transformers: pip install 'moft[llm]'.")
    from transformers import AutoTokenizer

    with quiet():
        adapter, place, gguf = _checked_place(name, gguf, cache)
        if quantization == "4bit" and adapter is not None:
            raise ConfigError(f"[task.quantization] 4bit: the adapter in {name} cannot be merged into 4 bits. Merge it first.")
        config = None if gguf is not None else _load_config(place)
        weights_dtype = _dtype(dtype, torch.float16 if config is None else config.dtype, device)
        more = _four_bit_options(weights_dtype, device) if quantization == "4bit" else {}
        read_dtype = weights_dtype if adapter is None else torch.float32  # sums are rounded once
        if gguf is None:
            network, tokenizer = _load_safetensors(place, read_dtype, place, config, **more)
        else:
            network, tokenizer = _load_gguf(place, gguf, read_dtype, cache)
        if adapter is not None and has_tokenizer(adapter):
            tokenizer = _read(
                f"{name}: no tokenizer", AutoTokenizer.from_pretrained, adapter.place, "tokenizer.json: ", trust_remote_code=False
            )
        check_finite(network, name)
        _prepare_tokenizer(tokenizer, network, name)
        notes, changes, digest = [], [], None
        if adapter is not None:
            notes.append(adapter.note)
            changes.append(f"an adapter ({adapter.config.get('peft_type')}) is merged into it")
            digest = content_hash(network, tokenizer, adapter.digest())  # the same in any precision
            network = merge_adapter(network, adapter).to(weights_dtype)
            check_finite(network, name)
        if is_multimodal(network.config if config is None else config):
            whole = type(network).__name__
            if is_multimodal(network.config):  # transformers takes the decoder of some by itself
                network = text_decoder(network, name)
                changes.append(f"only its text decoder is used, a {type(network).__name__}, without images and sound")
            notes.append(f"{name} is a {whole}; its text decoder is taken alone, without images and sound.")
    if quantization == "none" and not stays_on_cpu:
        network = network.to(device)
    network = network.eval().requires_grad_(False)
    return LoadedModel(network, tokenizer, digest or content_hash(network, tokenizer), tuple(notes), tuple(changes))


def load_model(name: str, **settings: Any) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The network and the tokenizer of `load_base`, which has the same parameters."""
    loaded = load_base(name, **settings)
    return loaded.network, loaded.tokenizer


def model_outline(name: str, *, gguf: str | None = None, cache: Path | None = None) -> PreTrainedModel:
    """The architecture of a model, without weights.

    Args:
        name: as for `load_model`.
        gguf: as for `load_model`.
        cache: a folder with downloaded models.

    Raises:
        DataError: there is no such folder or name, or it holds no causal model.
    """
    name, gguf = model_path(name, gguf, cache)
    with quiet():
        _, place, gguf = _checked_place(name, gguf, cache)
        config = _load_config(place, **({} if gguf is None else {"gguf_file": gguf}))
        with torch.device("meta"):
            outline: PreTrainedModel = _auto_class(config).from_config(config)
        return text_decoder(outline, name) if is_multimodal(outline.config) else outline


def _checked_place(name: str, gguf: str | None, cache: Path | None) -> tuple[Adapter | None, str, str | None]:
    """The adapter in a place, if there is one; folder or hub name of the model itself, and its GGUF file there."""
    is_folder, adapter = user_path(name).is_dir(), find_adapter(name, gguf)
    if adapter is None and not is_folder:
        check_model_path(name, gguf)
        _read(f"{name}: no model", fetch_adapter, name)
        adapter = find_adapter(name, gguf)
    place = name
    if adapter is not None and adapter.base != name:
        place, gguf = model_path(adapter.base, gguf, cache)
    if adapter is not None or is_folder:
        check_model_path(place, gguf)
    for folder in {place, name}:
        if gguf is None and user_path(folder).is_dir():
            check_model_files(user_path(folder), folder)
    return adapter, place, gguf


def model_without_weights(
    name: str, *, gguf: str | None, cache: Path | None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase | None, tuple[str, ...]]:
    """The architecture of a model, its tokenizer, and what was not looked at, in sentences; no weights are read.

    Of safetensors files, their names and shapes are.

    Args:
        name: as for `load_base`. Of a hub's model and of a GGUF file, there is no tokenizer yet.
        gguf: as for `load_base`.
        cache: a folder with downloaded models.

    Raises:
        DataError: as `load_base` would.
    """
    from transformers import AutoTokenizer

    outline = model_outline(name, gguf=gguf, cache=cache)
    name, gguf = model_path(name, gguf, cache)
    with quiet():
        adapter, place, gguf = _checked_place(name, gguf, cache)
        folder = user_path(place)
        if gguf is not None or not (folder / "config.json").is_file():
            return outline, None, (f"{name}: its weights and tokenizer, which are read when training starts.",)
        if not is_multimodal(_load_config(place)):
            check_shapes(folder, outline, name)
        of_tokenizer = place if adapter is None or not has_tokenizer(adapter) else adapter.place
        tokenizer = _read(
            f"{name}: no tokenizer", AutoTokenizer.from_pretrained, of_tokenizer, "tokenizer.json: ", trust_remote_code=False
        )
    _prepare_tokenizer(tokenizer, outline, name)
    if adapter is None:
        return outline, tokenizer, ()
    tried = f"whether its adapter can be merged into {adapter.base}, which is tried when training starts."
    return outline, tokenizer, (f"{name}: {tried}",)


def _prepare_tokenizer(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, name: str) -> None:
    """Gives a tokenizer a padding token where it has none, once it is known to fit the model.

    Raises:
        DataError: it has no EOS token, or tokens that the model has no embedding for.
    """
    if tokenizer.eos_token_id is None:
        raise DataError(f"{name}: the tokenizer has no end-of-sequence token, so responses would not end. Set its eos_token.")
    rows = model.get_input_embeddings().weight.shape[0]
    if tokenizer.eos_token_id >= rows:
        end = f"end-of-sequence token {tokenizer.eos_token!r} is number {tokenizer.eos_token_id}"
        raise DataError(f"{name}: the tokenizer's {end}, but the model has {rows} tokens. Set its eos_token.")
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id >= rows:
        tokenizer.pad_token = tokenizer.eos_token
    added = tokenizer.get_added_vocab()  # loaders add special tokens that the model never saw and no text has
    if any(number >= rows for text, number in tokenizer.get_vocab().items() if text not in added):
        raise DataError(f"{name}: the tokenizer has {len(tokenizer)} tokens, the model {rows}. They belong to different models.")


def _read(what: str, load: Any, name: str, file: str = "", **settings: Any) -> Any:
    """What `load` returns; its errors become one line, which names the most likely file."""
    try:
        return load(str(user_path(name)) if user_path(name).is_dir() else name, **settings)
    except (MoftError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # broken files make these libraries raise errors of any class, and panics
        raise DataError(f"{what} could be read: {file}{error_line(error)}") from error


def _load_config(name: str, **more: Any) -> Any:
    """The config of a causal language model, or of a multimodal model with one in it."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    config = _read(f"{name}: no model", AutoConfig.from_pretrained, name, "config.json: ", trust_remote_code=False, **more)
    if config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and not has_text_decoder(config):
        raise DataError(f"{name}: {config.model_type!r} is not a causal language model of transformers.")
    return config


def _auto_class(config: Any) -> Any:
    """The class of transformers that loads a model of this config."""
    import transformers
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    if config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return transformers.AutoModelForCausalLM
    return getattr(transformers, "AutoModelForMultimodalLM", transformers.AutoModelForImageTextToText)


def _load_safetensors(place: str, dtype: torch.dtype, name: str, config: Any = None, **more: Any) -> tuple[Any, Any]:
    """Model and tokenizer of the folder or hub name `place`; messages call it `name`."""
    from transformers import AutoTokenizer

    loader = _auto_class(_load_config(place) if config is None else config)
    options = {"dtype": dtype, "use_safetensors": True, "trust_remote_code": False, **LOADING_OPTIONS, **more}
    what = f"{name}: no causal language model in safetensors"
    model, loading_info = _read(what, loader.from_pretrained, place, "config.json: ", **options)
    check_complete(loading_info, model, name, "its safetensors file")
    return model, _read(
        f"{name}: no tokenizer", AutoTokenizer.from_pretrained, place, "tokenizer.json: ", trust_remote_code=False
    )


def _load_gguf(name: str, gguf: str, dtype: torch.dtype, cache: Path | None) -> tuple[Any, Any]:
    from moft_llm.loading.gguf import dequantized_folder, read_gguf

    what = f"{name}: no causal language model in {gguf}"
    if cache is None:
        return tuple(_read(what, read_gguf, name, gguf=gguf, dtype=dtype))
    return _load_safetensors(str(_read(what, dequantized_folder, name, gguf=gguf, cache=cache)), dtype, name)


def _four_bit_options(dtype: torch.dtype, device: torch.device) -> dict[str, Any]:
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    return {"quantization_config": config, "device_map": {"": device}}


def _dtype(wanted: Precision, saved: torch.dtype | None, device: torch.device) -> torch.dtype:
    """The dtype of the weights; never float16, which overflows in training."""
    if wanted != "auto":
        return torch.float32 if wanted == "float32" else torch.bfloat16
    return torch.bfloat16 if device.type != "cpu" and saved in (torch.float16, torch.bfloat16) else torch.float32
