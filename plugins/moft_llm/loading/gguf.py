"""GGUF files: dequantized once, which is slow, and kept in the cache as a folder of safetensors."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, PreTrainedModel, PreTrainedTokenizerBase

from moft import RunError
from moft.api import atomic_folder, user_path
from moft_llm.loading.weight_checks import LOADING_OPTIONS, check_complete


def dequantized_folder(name: str, gguf: str, cache: Path) -> Path:
    """The folder under `cache` with the float32 weights and the tokenizer of a GGUF file; made where it does not exist.

    Args:
        name: a folder, or a name on the hub.
        gguf: the file within it.
        cache: holds one folder per file, named after its path, size and time of change.

    Raises:
        DataError: weights are missing in the file, or have other shapes.
    """
    path = user_path(name) / gguf
    state = (path.resolve(), path.stat().st_size, path.stat().st_mtime_ns) if path.is_file() else (name, gguf)
    folder = cache / "gguf" / hashlib.sha256("\0".join(map(str, state)).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    model, tokenizer = read_gguf(name, gguf, torch.float32)
    try:
        with atomic_folder(folder) as unfinished:
            model.save_pretrained(unfinished)
            tokenizer.save_pretrained(unfinished)
            for weights in unfinished.glob("*.safetensors"):  # which safetensors makes readable to their owner only
                weights.chmod((unfinished / "config.json").stat().st_mode)
    except RunError:
        if not folder.is_dir():  # else another process was faster
            raise
    return folder


def read_gguf(name: str, gguf: str, dtype: torch.dtype) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer of a GGUF file, every weight dequantized.

    Raises:
        DataError: weights are missing in the file, or have other shapes.
    """
    config = GgufConfig(dequantize=True)
    model, loading_info = AutoModelForCausalLM.from_pretrained(
        name, gguf_file=gguf, quantization_config=config, dtype=dtype, trust_remote_code=False, **LOADING_OPTIONS
    )
    check_complete(loading_info, model, name, gguf)
    return model, AutoTokenizer.from_pretrained(name, gguf_file=gguf, trust_remote_code=False)
