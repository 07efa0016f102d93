"""An exported policy: prefix and adapter at any objective weights, and the embeddings of prompts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from moft_vllm.errors import FolderError
from moft_vllm.formulas import injected

RECORD, POLICY, EMBEDDINGS = "moft_vllm.json", "policy.safetensors", "embeddings.safetensors"
ADAPTER, TOKENIZER, TEMPLATE, BASE = "adapter", "tokenizer", "chat_template.jinja", "base"
SCHEMA = 1
_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_NEEDED: dict[str, Any] = {
    **{"name": str, "base": str, "base_name": str, "dtype": str, "objectives": list, "choices": dict, "formula": dict},
    **{"steps": int, "prefix": int, "has_gates": bool, "is_base_inside": bool, "end_tokens": list, "template": dict},
    "lora": (dict, type(None)),
}


@dataclass(frozen=True)
class Policy:
    """A policy in a folder that `moft export --for vllm` wrote.

    Args:
        folder: that holds it.
        record: the content of its `moft_vllm.json`.
        tensors: of the conditioner, and the policy's own prompt as `own_prompt`, if it has one.
        lora: of the adapter that gates multiply; empty where there are no gates.
        embeddings: `[vocabulary, hidden]`, of the base model; None where prompts go to vLLM as they are.
    """

    folder: Path
    record: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    lora: Mapping[str, Tensor]
    embeddings: Tensor | None

    @classmethod
    def read(cls, folder: Path) -> Policy:
        """The policy in a folder.

        Raises:
            FolderError: a file is missing or damaged, or of another version.
        """
        record = read_record(folder)
        try:
            tensors = load_file(folder / POLICY)
            lora = load_file(folder / ADAPTER / _WEIGHTS) if record["has_gates"] else {}
            embeddings = None
            if record["prefix"]:
                with safe_open(folder / EMBEDDINGS, "pt") as opened:
                    embeddings = opened.get_tensor("embeddings")
        except Exception as error:  # missing, cut, or of other content
            raise FolderError(f"{folder}: a file is missing or damaged ({error}); export the run again.") from error
        policy = cls(folder, record, tensors, lora, embeddings)
        middle = [1 / len(record["objectives"])] * len(record["objectives"])
        if policy.length_at(middle) != record["prefix"] or bool(policy.gates(middle)) != record["has_gates"]:
            raise FolderError(f"{folder}: {RECORD} and {POLICY} do not belong together; export the run again.")
        return policy

    @property
    def prefix_length(self) -> int:
        """Soft tokens before every prompt."""
        return int(self.record["prefix"])

    @property
    def has_gates(self) -> bool:
        """Whether each weighting has an adapter of its own."""
        return bool(self.record["has_gates"])

    def length_at(self, weights: Sequence[float]) -> int:
        """Soft tokens that are computed at some weights."""
        prefix = self.prefix(weights)
        return 0 if prefix is None else len(prefix)

    def prefix(self, weights: Sequence[float]) -> Tensor | None:
        """`[p, hidden]` float32, the soft tokens at objective weights, in order; None for none."""
        prefix, _ = self._injected(weights)
        own = self.tensors.get("own_prompt")
        parts = [part for part in (own, prefix) if part is not None]
        return torch.cat(parts) if parts else None

    def gates(self, weights: Sequence[float]) -> dict[str, Tensor]:
        """`[rank]` by layer, the gates of LoRA at objective weights, in order."""
        return self._injected(weights)[1]

    def embedded(self, weights: Sequence[float], tokens: Sequence[int]) -> Tensor:
        """`[p + tokens, hidden]` in the dtype of the base model: the soft tokens, then a prompt.

        Raises:
            FolderError: the policy has no prefix.
        """
        prefix = self.prefix(weights)
        if self.embeddings is None or prefix is None:
            raise FolderError("a policy without a prefix has no embeddings.")
        return torch.cat([prefix.to(self.embeddings.dtype), self.embeddings[torch.tensor(tokens, dtype=torch.long)]])

    def write_adapter(self, weights: Sequence[float] | None, folder: Path) -> None:
        """Writes the PEFT LoRA adapter at objective weights, with the gates multiplied into B, into a new folder.

        Args:
            weights: in order; None for an adapter that changes nothing, which is the base model.
            folder: to make.
        """
        tensors = dict(self.lora)
        if weights is None:
            tensors = {name: value if ".lora_A." in name else torch.zeros_like(value) for name, value in tensors.items()}
        for layer, gate in ({} if weights is None else self.gates(weights)).items():
            name = f"base_model.model.{layer}.lora_B.weight"
            tensors[name] = (tensors[name] * gate).contiguous()
        folder.mkdir(parents=True)
        save_file(tensors, folder / _WEIGHTS, metadata={"format": "pt"})
        (folder / _CONFIG).write_bytes((self.folder / ADAPTER / _CONFIG).read_bytes())

    def _injected(self, weights: Sequence[float]) -> tuple[Tensor | None, dict[str, Tensor]]:
        with torch.no_grad():
            return injected(self.record["formula"], self.tensors, torch.tensor(weights, dtype=torch.float32))


def read_record(folder: Path) -> dict[str, Any]:
    """The content of `moft_vllm.json`.

    Raises:
        FolderError: it is missing or damaged, or of another version.
    """
    file = folder / RECORD
    try:
        record = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise FolderError(f"{file}: no such file; give a folder that `moft export RUN FOLDER --for vllm` wrote.") from None
    except (OSError, ValueError) as error:
        raise FolderError(f"{file}: damaged ({error}); export the run again.") from error
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise FolderError(f"{file}: is not of this version of moft_vllm; export the run again.")
    for name, kind in _NEEDED.items():
        if not isinstance(record.get(name), kind):
            raise FolderError(f"{file}: {name!r} is missing or of another type; export the run again.")
    return record
