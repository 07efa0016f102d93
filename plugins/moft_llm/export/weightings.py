"""Exports many weightings of a policy at once: a PEFT adapter for each, with one tokenizer and a table of them all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from moft import ConfigError
from moft.api import Tradeoff, atomic_folder
from moft_llm.export.card_metadata import Provenance
from moft_llm.export.export import base_path, check_dial, merge_lora
from moft_llm.export.model_card import CARD, ExportedChoice, ModelCard
from moft_llm.export.peft_files import lora_layers, write_lora, write_prompt
from moft_llm.generation.model_of_policy import unpack_assignment
from moft_llm.generation.opened_llm_run import LLMRun
from moft_llm.loading.transformers_logging import quiet
from moft_llm.network.language_model import LanguageModel

TABLE = "adapters.json"
"""File with all weightings and the names of their adapters."""


@dataclass(frozen=True)
class Weighting:
    """One weighting to export.

    Args:
        name: of its adapter, and of the adapter's folder.
        tradeoff: one row.
        choice: of the run, if it is one.
    """

    name: str
    tradeoff: Tradeoff
    choice: ExportedChoice | None

    def record(self, objectives: Sequence[str]) -> dict[str, Any]:
        """As JSON: name, weights by objective, and whether it is a choice."""
        weights = [float(f"{weight:.7g}") for weight in self.tradeoff.weights[0].tolist()]
        return {
            "name": self.name,
            "weights": dict(zip(objectives, weights, strict=True)),
            "choice": None if self.choice is None else self.choice.name,
        }


def named(tradeoffs: Sequence[Tradeoff], choices: Sequence[ExportedChoice | None]) -> list[Weighting]:
    """Weightings with different names, each once: a choice is called as in the run, others by their weights."""
    found: dict[str, Weighting] = {}
    seen = set()
    for tradeoff, choice in zip(tradeoffs, choices, strict=True):
        key = (tuple(tradeoff.weights[0].tolist()), tuple(tradeoff.betas[0].tolist()), None if choice is None else choice.name)
        if key in seen:
            continue
        seen.add(key)
        stem = "w-" + "-".join(f"{weight:.4g}" for weight in key[0]) if choice is None else choice.name
        number = 1
        while (name := stem if number == 1 else f"{stem}_{number}") in found or name == "model":
            number += 1
        found[name] = Weighting(name, tradeoff, choice)
    return list(found.values())


def export_weightings(
    llm_run: LLMRun, weightings: Sequence[Weighting], out: Path, dtype: str | None, provenance: Provenance
) -> list[str]:
    """Writes an adapter for each weighting into the folder `out`, completely or not at all.

    Without a prefix, these are LoRA adapters of the base model. With a prefix and no gates, they are prompt-tuning adapters of
    one merged model, `out/model`.

    Args:
        llm_run: the run.
        weightings: with different names.
        out: must not exist, or be an empty folder.
        dtype: of the merged model, `float32` or `bfloat16`; None for that of the base model.
        provenance: what the user states of the base model and the data.

    Returns: what was written, in lines for the user.

    Raises:
        ConfigError: a weighting cannot be exported, each needs a model of its own, or `dtype` does not apply.
        RunError: the run has no complete front for the card, or the files cannot be written.
    """
    model, prefix, _ = _served(llm_run, weightings[0])
    changes, each_served = llm_run.task.base_changes, (_served(llm_run, each) for each in weightings)
    if changes or (prefix is not None and any(own is not model or gates for own, _, gates in each_served)):
        why = "the base model was changed when it was loaded" if changes else "it has a prefix, and the model below differs"
        raise ConfigError(
            f"--weights: each weighting of this policy is a model of its own, because {why}. Export one at a time, or --for vllm."
        )
    quantization = llm_run.task.source["quantization"]
    if prefix is not None and quantization != "none" and any(lora_layers(model.network)):
        raise ConfigError(
            f"task.quantization: {quantization} cannot be exported with a prefix, because LoRA would be merged into rounded "
            "weights. Train without a prefix, or without quantization."
        )
    if dtype is not None and prefix is None:
        raise ConfigError(f"--dtype {dtype} has no effect, because this export is only float32 adapters. Leave it out.")
    name, gguf = base_path(llm_run.task.source)
    kind = str(model.network.dtype).removeprefix("torch.")
    card = ModelCard(
        llm_run,
        weightings[0].tradeoff,
        name,
        gguf,
        with_prefix=prefix is not None,
        dtype=kind,
        provenance=provenance,
        weightings=[each.record(llm_run.opened.names) for each in weightings],
    )
    card.check()
    with atomic_folder(out) as folder, quiet():
        if prefix is not None:
            merge_lora(model.network, dtype=dtype).network.save_pretrained(str(folder / "model"))
        model.tokenizer.save_pretrained(str(folder if prefix is None else folder / "model"))
        for weighting in weightings:
            own, soft, gates = _served(llm_run, weighting)
            if soft is None:
                (folder / weighting.name).mkdir()
                write_lora(own, gates, card.base_name, folder / weighting.name)
            else:
                write_prompt(own, soft, folder / weighting.name)
        card.write(folder)
        table = {"base_model": "model" if prefix is not None else card.base_name, "adapters": card.weightings}
        (folder / TABLE).write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", "utf-8")
        for weights in folder.rglob("*.safetensors"):
            weights.chmod((folder / CARD).stat().st_mode)
    what = f"LoRA adapters of {name}" if prefix is None else f"prompt-tuning adapters of {out / 'model'}"
    return [f"{out}: {len(weightings)} PEFT {what}. {out / TABLE} has the weights of each."]


def _served(llm_run: LLMRun, weighting: Weighting) -> tuple[LanguageModel, Tensor | None, dict[str, Tensor]]:
    """The model of a weighting, its prefix, `[p, hidden]`, and its gates, `[rank]` by layer."""
    (assignment,) = llm_run.assignments(weighting.tradeoff)
    check_dial(llm_run, weighting.tradeoff, assignment, weighting.choice)
    model, injected = unpack_assignment(assignment)
    prefix = None if injected.prefix is None else injected.prefix[0]
    return model, prefix, {layer: values[0] for layer, values in injected.gates.items()}
