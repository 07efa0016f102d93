"""Exports one tradeoff of a policy for transformers and PEFT: a LoRA adapter, or a merged model with its prefix."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from moft import ConfigError, cache_folder
from moft.api import Assignment, Tradeoff, atomic_folder, redacted, user_path
from moft_llm.export.card_metadata import Provenance
from moft_llm.export.model_card import CARD, ExportedChoice, ModelCard
from moft_llm.export.peft_files import forget_adapters, lora_layers, replace_layer, write_lora, write_prompt
from moft_llm.generation.model_of_policy import is_as_trained, unpack_assignment
from moft_llm.generation.opened_llm_run import LLMRun
from moft_llm.generation.prepare_model import end_tokens
from moft_llm.loading.model_path import model_path
from moft_llm.loading.transformers_logging import quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class MergedModel:
    """A network without LoRA layers, whose weights contain LoRA.

    Args:
        network: with merged weights.
        dtype: of the weights.
        rounding_error: of the sums in `dtype`, as a share of LoRA's change; both are norms over all layers.
    """

    network: PreTrainedModel
    dtype: str
    rounding_error: float


def export_tradeoff(
    llm_run: LLMRun,
    tradeoff: Tradeoff,
    out: Path,
    dtype: str | None = None,
    *,
    choice: ExportedChoice | None = None,
    provenance: Provenance | None = None,
) -> list[str]:
    """Writes one tradeoff into the folder `out`, completely or not at all.

    Without a prefix, `out` is a PEFT LoRA adapter of the base model. With a prefix, `out/model` is the base model with LoRA
    merged, and `out/adapter` is a PEFT prompt-tuning adapter of it. Where transformers does not load the base model of the run
    by itself, `out/model` holds it with LoRA merged. Gates become part of LoRA's B. `out` also holds a model card, with the
    picture of the front.

    Args:
        llm_run: the run.
        tradeoff: one row.
        out: must not exist, or be an empty folder.
        dtype: of the model that LoRA is merged into, `float32` or `bfloat16`; None for that of the base model.
        choice: of the run, that the tradeoff is of; its record is written beside the model.
        provenance: what the user states of the base model and the data.

    Returns: what was written, in lines for the user.

    Raises:
        ConfigError: an exported model cannot have this tradeoff, or `dtype` does not apply to this export.
        RunError: the run has no complete front for the card, or the files cannot be written.
    """
    (assignment,) = llm_run.assignments(tradeoff)
    check_dial(llm_run, tradeoff, assignment, choice)
    model, injected = unpack_assignment(assignment)
    prefix, gates = injected.prefix, {layer: values[0] for layer, values in injected.gates.items()}
    source = llm_run.task.source
    name, gguf = redacted(base_path(source))
    adapted = any(lora_layers(model.network))
    is_merged = prefix is not None or bool(llm_run.task.base_changes)
    if is_merged and adapted and source["quantization"] != "none":
        why, advice = ("with a prefix", " without a prefix, or") if prefix is not None else ("from this base model", "")
        raise ConfigError(
            f"task.quantization: {source['quantization']} cannot be exported {why}, because LoRA would be merged into rounded "
            f"weights. Train{advice} without quantization."
        )
    if dtype is not None and (not is_merged or source["quantization"] != "none"):
        what = f"the base model in {source['quantization']}" if is_merged else "only a float32 adapter"
        raise ConfigError(f"--dtype {dtype} has no effect, because this export is {what}. Leave it out.")
    card = ModelCard(
        llm_run,
        tradeoff,
        name,
        gguf,
        with_prefix=prefix is not None,
        dtype=str(model.network.dtype).removeprefix("torch."),
        changes=llm_run.task.base_changes,
        choice=choice,
        provenance=provenance or Provenance(),
    )
    card.check()
    base = card.provenance.base_name(name)
    with atomic_folder(out) as folder, quiet():
        if is_merged:
            merged = merge_lora(model.network, gates, dtype)
            merged.network.generation_config = deepcopy(merged.network.generation_config)
            merged.network.generation_config.eos_token_id = sorted(end_tokens(model))  # with the end of a turn in its template
            merged.network.save_pretrained(str(folder / "model"))
            model.tokenizer.save_pretrained(str(folder / "model"))
        else:
            write_lora(model, gates, base, folder)
            model.tokenizer.save_pretrained(str(folder))
        if prefix is not None:
            write_prompt(model, prefix[0], folder / "adapter")
        card.write(folder)
        for weights in folder.rglob("*.safetensors"):  # which safetensors makes readable to their owner only
            weights.chmod((folder / CARD).stat().st_mode)
    if not is_merged:
        return [f"{out}: a PEFT LoRA adapter of {name}."]
    what = "".join(f"; {change}" for change in llm_run.task.base_changes)
    summary = f"{out / 'model'}: the base model with LoRA merged, in {merged.dtype}{what}."
    if merged.rounding_error:
        share = f"{100 * merged.rounding_error:.2g} %"
        summary += f" The rounding error is {share} of LoRA's change; --dtype float32 has none, and is twice as large."
    return [summary, *([] if prefix is None else [f"{out / 'adapter'}: a PEFT prompt-tuning adapter of that model."])]


def merge_lora(network: PreTrainedModel, gates: Mapping[str, Tensor] | None = None, dtype: str | None = None) -> MergedModel:
    """A copy of the network with LoRA merged into its weights; sums are computed in float32 and rounded once.

    Args:
        network: with LoRA.
        gates: of LoRA, `[rank]` by layer; None for none.
        dtype: of the copy, `float32` or `bfloat16`; None for that of the network.
    """
    whole = deepcopy(network)
    layers = list(lora_layers(whole))
    changed = error = 0.0
    for name, layer in layers:
        if gates and name in gates:
            layer.lora_B["default"].weight.data.mul_(gates[name])
        weight = layer.get_base_layer().weight
        before, target = weight.data, weight.dtype if dtype is None else getattr(torch, dtype)
        weight.data = before.to(torch.float32, copy=True)  # LoRA is added in place
        layer.merge()
        exact, weight.data = weight.data, weight.data.to(target)
        changed += float((exact - before.float()).square().sum())
        error += float((weight.data.float() - exact).square().sum())
        replace_layer(whole, name, layer.get_base_layer())
    forget_adapters(whole)
    if dtype is not None:
        whole.to(getattr(torch, dtype))
    return MergedModel(whole, str(whole.dtype).removeprefix("torch."), (error / changed) ** 0.5 if changed else 0.0)


def check_dial(llm_run: LLMRun, tradeoff: Tradeoff, assignment: Assignment, choice: ExportedChoice | None) -> None:
    """Checks that a tradeoff of one row needs no base model beside the policy.

    Raises:
        ConfigError: it does; the message names a dial that does not, if there is one.
    """
    if is_as_trained(assignment.divisor).all():
        return
    divisor = assignment.divisor.flatten()[0].item()
    needed = f"{_dial(llm_run, tradeoff) / divisor:.6g}"
    advice = f" Use --dial {needed}." if choice is None else f" Choose with `moft choose ... --dials {needed},{needed}`."
    advice = advice if divisor < float("inf") else ""
    raise ConfigError(
        f"--dial: at this dial, each token also needs the base model, so it cannot be exported as one model.{advice}"
    )


def _dial(llm_run: LLMRun, tradeoff: Tradeoff) -> float:
    """The dial of the first objective."""
    return float((tradeoff.betas / llm_run.opened.trained_betas)[0, 0])


def base_path(source: Mapping[str, str | None]) -> tuple[str, str | None]:
    """The hub name or absolute path of the base model, and its GGUF file there, if it is one."""
    name, gguf = model_path(str(source["model"]), source["gguf"], cache_folder())
    folder = user_path(name)
    return str(folder.resolve()) if folder.is_dir() else name, gguf
