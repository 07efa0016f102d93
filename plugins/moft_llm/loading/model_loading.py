"""Language models and tokenizers from folders, hub names and GGUF files; weights are safetensors, nothing is unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from moft import ConfigError, DataError, MoftError
from moft_llm.loading.hub import check_hub
from moft_llm.loading.smollm2 import NAME, found_model
from moft_llm.loading.weight_checks import CHECKED, refuse_not_finite, refuse_other

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Precision = Literal["auto", "float32", "bfloat16"]
Quantization = Literal["none", "4bit"]

_HELD = {"transformers_version", "dtype", "torch_dtype", "_name_or_path", "_attn_implementation", "quantization_config"}
"""What a config says of where its model is from and how it is held."""


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
    """A frozen causal model in eval mode on `device`, and its tokenizer, which pads with its end where it has no token for it.

    Args:
        name: a folder, the name of a fetched model, or one on the Hugging Face hub; only the last touches the network.
        gguf: a GGUF file within it, whose weights are made dense; None takes the only one of a folder that has nothing else.
        dtype: of the weights; `auto` is float32 on a CPU, elsewhere bfloat16 for weights saved in 16 bits.
        quantization: `4bit` holds linear layers in NF4, through bitsandbytes.
        device: where the model computes.
        cache: a folder with fetched models, where a GGUF file's weights are kept once they are dense; None reads the file every
            time, which is slow.
        stays_on_cpu: leaves the weights there; `device` decides their dtype all the same.

    Raises:
        DataError: there is no such folder or name, or it holds no causal model, safetensors or tokenizer, or weights are missing
            or not finite.
        ConfigError: transformers or bitsandbytes is not installed, or the settings do not go together.
    """
    name, gguf = model_place(name, gguf, cache)
    if quantization == "4bit" and gguf is not None:
        raise ConfigError("[task.quantization] 4bit and gguf do not go together: a GGUF file is made dense when it is read.")
    if quantization == "4bit" and find_spec("bitsandbytes") is None:
        raise ConfigError("[task.quantization] 4bit needs bitsandbytes, which is not installed: pip install bitsandbytes.")
    if find_spec("transformers") is None:  # a config's task is refused earlier
        raise ConfigError("a language model needs the package transformers: pip install 'moft[llm]'.")
    _check_place(name, gguf)
    with quiet():
        if gguf is not None:
            model, tokenizer = _from_gguf(name, gguf, _precision(dtype, torch.float16, device), cache)
        else:
            settings = _config(name)
            precision = _precision(dtype, settings.dtype, device)
            more = _four_bits(precision, device) if quantization == "4bit" else {}
            model, tokenizer = _dense(name, precision, name, **more)
    refuse_not_finite(model, name)
    if tokenizer.eos_token_id is None:
        raise DataError(f"{name}: the tokenizer has no end-of-sequence token, so no response would end. Set eos_token there.")
    rows = model.get_input_embeddings().weight.shape[0]
    if tokenizer.eos_token_id >= rows:
        end = f"end-of-sequence token, {tokenizer.eos_token!r}, is number {tokenizer.eos_token_id}"
        raise DataError(f"{name}: the tokenizer's {end} and the model has {rows} tokens. Set eos_token there.")
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id >= rows:
        tokenizer.pad_token = tokenizer.eos_token
    added = tokenizer.get_added_vocab()  # readers add special tokens that the model never saw, and that no text has
    if any(number >= rows for text, number in tokenizer.get_vocab().items() if text not in added):
        raise DataError(f"{name}: the tokenizer knows {len(tokenizer)} tokens, the model {rows}. They are not of one model.")
    if quantization == "none" and not stays_on_cpu:
        model = model.to(device)
    return model.eval().requires_grad_(False), tokenizer


def content_hash(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *more: str) -> str:
    """Hex sha256 over every weight with its name, the model's config, all that the tokenizer goes by, and `more`.

    It is the same on every device and under every version of transformers that reads the model alike: weights that 16 bits hold
    count as bfloat16, which they are on a GPU where `dtype` is `auto`.
    """
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        same = _in_16_bits(value)
        digest.update(f"{name}\0{same.dtype}\0{list(same.shape)}\0".encode())
        digest.update(_bytes(same))
    for text in (_config_text(model), _tokenizer_text(tokenizer), *more):
        digest.update(hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest())
    return digest.hexdigest()


def model_outline(name: str, *, gguf: str | None = None, cache: Path | None = None) -> PreTrainedModel:
    """The architecture of a model, without weights.

    Args:
        name: as for `load_model`.
        gguf: as for `load_model`.
        cache: a folder with fetched models.

    Raises:
        DataError: there is no such folder or name, or it holds no causal model.
    """
    from transformers import AutoModelForCausalLM

    name, gguf = model_place(name, gguf, cache)
    _check_place(name, gguf)
    more = {} if gguf is None else {"gguf_file": gguf}
    with quiet():
        config = _config(name, **more)
        with torch.device("meta"):
            outline: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    return outline


def model_place(name: str, gguf: str | None, cache: Path | None) -> tuple[str, str | None]:
    """The folder or hub name that a model is read from, and the GGUF file there, where it is one; as for `load_model`."""
    name = found_model(name, cache)
    return name, gguf or _only_gguf(Path(name).expanduser())


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no reports of transformers within the block."""
    from transformers.utils import logging

    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def _only_gguf(folder: Path) -> str | None:
    """The name of the GGUF file of a folder that holds no other model."""
    files = [] if (folder / "config.json").is_file() else sorted(folder.glob("*.gguf"))
    return files[0].name if len(files) == 1 else None


def _check_place(name: str, gguf: str | None) -> None:
    """Nothing, when `name` is a folder with what it must hold, or may be a name on the hub."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        if gguf is not None and not (folder / gguf).is_file():
            found = ", ".join(sorted(path.name for path in folder.glob("*.gguf"))) or "none"
            raise DataError(f"{name}: no file {gguf!r} there. GGUF files there: {found}.")
        if gguf is None and not (folder / "config.json").is_file():
            several = ", ".join(sorted(path.name for path in folder.glob("*.gguf")))
            hint = f" Say which of its GGUF files is meant, as task.gguf or --gguf: {several}." if several else ""
            raise DataError(f"{name}: no config.json there, so it is no folder of a model.{hint}")
        if gguf is None and not any(folder.glob("*.safetensors")):
            raise DataError(f"{name}: no safetensors there. Save the model anew with save_pretrained, which writes them.")
    elif name.startswith((".", "/", "~")) or name.count("/") > 1 or folder.exists():
        raise DataError(f"{name}: no such folder. A model is a folder, or a name on the hub like owner/model.")
    elif name == NAME:
        raise DataError(f"{name}: is not there yet; `moft data model {name}` fetches it.")
    else:
        check_hub(name, gguf or "config.json")


def _read(what: str, load: Any, name: str, **settings: Any) -> Any:
    """What `load` gives; its mistakes become one line."""
    try:
        return load(str(Path(name).expanduser()) if Path(name).expanduser().is_dir() else name, **settings)
    except MoftError:
        raise
    except Exception as error:  # broken files make these libraries raise errors of any class
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(f"{what} could be read there: {said[0]}") from error


def _config(name: str, **more: Any) -> Any:
    """The config of a causal language model."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    config = _read(f"{name}: no model", AutoConfig.from_pretrained, name, trust_remote_code=False, **more)
    if config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise DataError(f"{name}: {config.model_type!r} is no causal language model of transformers.")
    return config


def _dense(place: str, precision: torch.dtype, name: str, **more: Any) -> tuple[Any, Any]:
    """Model and tokenizer of the folder or hub name `place`; `name` is what messages call it."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    more = {"dtype": precision, "use_safetensors": True, "trust_remote_code": False, **CHECKED, **more}
    what = f"{name}: no causal language model in safetensors"
    model, found = _read(what, AutoModelForCausalLM.from_pretrained, place, **more)
    refuse_other(found, model, name, "its safetensors file")
    return model, _read(f"{name}: no tokenizer", AutoTokenizer.from_pretrained, place, trust_remote_code=False)


def _from_gguf(name: str, gguf: str, precision: torch.dtype, cache: Path | None) -> tuple[Any, Any]:
    from moft_llm.loading.gguf import dense_folder, read_gguf

    what = f"{name}: no causal language model in {gguf}"
    if cache is None:
        return tuple(_read(what, read_gguf, name, gguf=gguf, dtype=precision))
    return _dense(str(_read(what, dense_folder, name, gguf=gguf, cache=cache)), precision, name)


def _four_bits(precision: torch.dtype, device: torch.device) -> dict[str, Any]:
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=precision
    )
    return {"quantization_config": config, "device_map": {"": device}}


def _precision(wanted: Precision, saved: torch.dtype | None, device: torch.device) -> torch.dtype:
    """The dtype of the weights. float16 is never it: it overflows in training."""
    if wanted != "auto":
        return torch.float32 if wanted == "float32" else torch.bfloat16
    return torch.bfloat16 if device.type != "cpu" and saved in (torch.float16, torch.bfloat16) else torch.float32


def _in_16_bits(value: Tensor) -> Tensor:
    """A float32 tensor as bfloat16, where one of the 16-bit types holds it as it is; else the tensor."""
    if value.dtype != torch.float32 or not any(value.to(short).float().equal(value) for short in (torch.bfloat16, torch.float16)):
        return value
    return value.bfloat16()


def _config_text(model: PreTrainedModel) -> str:
    """What a model's config says of the model, and not of who wrote it or how it is held."""
    said = json.loads(model.config.to_json_string(), object_hook=lambda part: {k: v for k, v in part.items() if k not in _HELD})
    return json.dumps(said, sort_keys=True)


def _bytes(value: Tensor) -> Any:
    """The bytes of a tensor, on the CPU."""
    flat = value.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy()


def _tokenizer_text(tokenizer: PreTrainedTokenizerBase) -> str:
    """All that decides the tokens of a text, as text."""
    backend = getattr(tokenizer, "backend_tokenizer", None)  # only those of the tokenizers library have one
    rules = backend.to_str() if backend is not None else json.dumps(sorted(tokenizer.get_vocab().items()))
    return json.dumps([rules, type(tokenizer).__name__, tokenizer.chat_template, str(tokenizer.special_tokens_map)])
