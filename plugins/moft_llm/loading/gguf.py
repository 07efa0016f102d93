"""GGUF files made dense: read once, which is slow, and kept as a folder of safetensors beside what else is cached."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, PreTrainedModel, PreTrainedTokenizerBase

from moft_llm.loading.weight_checks import CHECKED, refuse_other


def dense_folder(name: str, gguf: str, cache: Path) -> Path:
    """The folder under `cache` with the weights, in float32, and the tokenizer of a GGUF file; made where it is not there.

    Args:
        name: a folder, or a name on the hub.
        gguf: the file within it.
        cache: holds one folder for each file, by place, size and time of change.

    Raises:
        DataError: the file lacks weights, or has some of other shapes.
    """
    path = Path(name).expanduser() / gguf
    state = (path.resolve(), path.stat().st_size, path.stat().st_mtime_ns) if path.is_file() else (name, gguf)
    folder = cache / "gguf" / hashlib.sha256("\0".join(map(str, state)).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=folder.parent))
    try:
        model, tokenizer = read_gguf(name, gguf, torch.float32)
        model.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)
        try:
            os.rename(unfinished, folder)
        except OSError:  # another process was faster
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def read_gguf(name: str, gguf: str, dtype: torch.dtype) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer of a GGUF file, every weight dense.

    Raises:
        DataError: the file lacks weights, or has some of other shapes.
    """
    dense = GgufConfig(dequantize=True)
    model, found = AutoModelForCausalLM.from_pretrained(name, gguf_file=gguf, quantization_config=dense, dtype=dtype, **CHECKED)
    refuse_other(found, model, name, gguf)
    return model, AutoTokenizer.from_pretrained(name, gguf_file=gguf)
