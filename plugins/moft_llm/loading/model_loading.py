"""Loads language models and tokenizers from folders, hub names and GGUF files; weights are safetensors, nothing is unpickled."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from moft import ConfigError, DataError, MoftError
from moft.api import user_path
from moft_llm.loading.model_path import check_model_path, model_path
from moft_llm.loading.transformers_logging import quiet
from moft_llm.loading.weight_checks import LOADING_OPTIONS, check_complete, check_finite, check_weight_files

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Precision = Literal["auto", "float32", "bfloat16"]
Quantization = Literal["none", "4bit"]


def load_model(
    name: str,
    *,
    gguf: str | None = None,
    dtype: Precision = "auto",
    quantization: Quantization = "none",
    device: torch.device,
    cache: Path | None = None,
    stays_on_cpu: bool = False,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A frozen causal model in eval mode on `device`, and its tokenizer, which pads with EOS where it has no padding token.

    Args:
        name: a folder, the name of a downloaded model, or a name on the Hugging Face hub; only the last uses the network.
        gguf: a GGUF file within it, whose weights are dequantized; None takes the only GGUF file of a folder without another
            model.
        dtype: of the weights; `auto` is float32 on a CPU, and elsewhere bfloat16 for weights saved in 16 bits.
        quantization: `4bit` holds linear layers in NF4, through bitsandbytes.
        device: where the model computes.
        cache: a folder with downloaded models, where the dequantized weights of GGUF files are kept; None reads a GGUF file
            every time, which is slow.
        stays_on_cpu: leaves the weights on the CPU; `device` still decides their dtype.

    Raises:
        DataError: there is no such folder or name; it holds no causal model, safetensors or tokenizer; or weights are missing or
            not finite.
        ConfigError: transformers or bitsandbytes is not installed, or the settings exclude each other.
    """
    name, gguf = model_path(name, gguf, cache)
    if quantization == "4bit" and gguf is not None:
        raise ConfigError("[task.quantization] 4bit cannot be combined with gguf: GGUF files are dequantized when they are read.")
    if quantization == "4bit" and find_spec("bitsandbytes") is None:
        raise ConfigError("[task.quantization] 4bit needs the package bitsandbytes: pip install bitsandbytes.")
    if find_spec("transformers") is None:  # a config's task is refused earlier
        raise ConfigError("a language model needs the package transformers: pip install 'moft[llm]'.")
    check_model_path(name, gguf)
    with quiet():
        if gguf is not None:
            model, tokenizer = _load_gguf(name, gguf, _dtype(dtype, torch.float16, device), cache)
        else:
            config = _load_config(name)
            weights_dtype = _dtype(dtype, config.dtype, device)
            more = _four_bit_options(weights_dtype, device) if quantization == "4bit" else {}
            model, tokenizer = _load_safetensors(name, weights_dtype, name, **more)
    check_finite(model, name)
    _prepare_tokenizer(tokenizer, model, name)
    if quantization == "none" and not stays_on_cpu:
        model = model.to(device)
    return model.eval().requires_grad_(False), tokenizer


def model_outline(name: str, *, gguf: str | None = None, cache: Path | None = None) -> PreTrainedModel:
    """The architecture of a model, without weights.

    Args:
        name: as for `load_model`.
        gguf: as for `load_model`.
        cache: a folder with downloaded models.

    Raises:
        DataError: there is no such folder or name, or it holds no causal model.
    """
    from transformers import AutoModelForCausalLM

    name, gguf = model_path(name, gguf, cache)
    check_model_path(name, gguf)
    more = {} if gguf is None else {"gguf_file": gguf}
    with quiet():
        config = _load_config(name, **more)
        with torch.device("meta"):
            outline: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    return outline


def check_model_files(
    name: str, *, gguf: str | None, cache: Path | None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase | None]:
    """The architecture of a model, and its tokenizer, from its files; of the weights, only their names and shapes are read.

    Args:
        name: as for `load_model`. Of a hub's model and of a GGUF file, there is no tokenizer yet.
        gguf: as for `load_model`.
        cache: a folder with downloaded models.

    Raises:
        DataError: as `load_model` would.
    """
    from transformers import AutoTokenizer

    outline = model_outline(name, gguf=gguf, cache=cache)
    place, gguf = model_path(name, gguf, cache)
    folder = user_path(place)
    if gguf is not None or not (folder / "config.json").is_file():
        return outline, None
    check_weight_files(folder, outline, name)
    with quiet():
        tokenizer = _read(f"{name}: no tokenizer", AutoTokenizer.from_pretrained, place, trust_remote_code=False)
    _prepare_tokenizer(tokenizer, outline, name)
    return outline, tokenizer


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


def _read(what: str, load: Any, name: str, **settings: Any) -> Any:
    """What `load` returns; its errors become one line."""
    try:
        return load(str(user_path(name)) if user_path(name).is_dir() else name, **settings)
    except MoftError:
        raise
    except Exception as error:  # broken files make these libraries raise errors of any class
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(f"{what} could be read: {lines[0]}") from error


def _load_config(name: str, **more: Any) -> Any:
    """The config of a causal language model."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    config = _read(f"{name}: no model", AutoConfig.from_pretrained, name, trust_remote_code=False, **more)
    if config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise DataError(f"{name}: {config.model_type!r} is not a causal language model of transformers.")
    return config


def _load_safetensors(place: str, dtype: torch.dtype, name: str, **more: Any) -> tuple[Any, Any]:
    """Model and tokenizer of the folder or hub name `place`; messages call it `name`."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    options = {"dtype": dtype, "use_safetensors": True, "trust_remote_code": False, **LOADING_OPTIONS, **more}
    what = f"{name}: no causal language model in safetensors"
    model, loading_info = _read(what, AutoModelForCausalLM.from_pretrained, place, **options)
    check_complete(loading_info, model, name, "its safetensors file")
    return model, _read(f"{name}: no tokenizer", AutoTokenizer.from_pretrained, place, trust_remote_code=False)


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
