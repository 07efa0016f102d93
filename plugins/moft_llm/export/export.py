"""One tradeoff of a policy as files that transformers and PEFT read alone: an adapter, or a model with an adapter over it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from moft import ConfigError, cache_folder
from moft.api import Tradeoff, atomic_folder
from moft_llm.export.model_card import CARD, Card
from moft_llm.generation.generate import as_trained, opened_assignment
from moft_llm.generation.requests import Steerable
from moft_llm.loading.model_loading import model_place, quiet
from moft_llm.network.language_model import LanguageModel

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Merged:
    """A network whose adapted layers are plain ones again, with LoRA in their weights.

    Args:
        network: of its own weights.
        dtype: of the weights.
        lost: how far rounding the sums to `dtype` moved them, as a share of how far LoRA did, both in the norm over all layers.
    """

    network: PreTrainedModel
    dtype: str
    lost: float


def exported(steerable: Steerable, tradeoff: Tradeoff, out: Path, dtype: str | None = None) -> list[str]:
    """Writes one tradeoff into the folder `out`, whole or not at all.

    Without a prefix, `out` is a PEFT LoRA adapter of the base model. With one, `out/model` is the base model with LoRA merged
    into it and `out/adapter` is a PEFT prompt-tuning adapter of that. Gates become part of LoRA's B. Beside them is a model card
    with the picture of the front.

    Args:
        steerable: the run.
        tradeoff: one row.
        out: must not exist.
        dtype: of the model that LoRA is merged into, `float32` or `bfloat16`; None for that of the base model.

    Returns: what was written, in lines for the user.

    Raises:
        ConfigError: a plain model cannot do what the tradeoff asks for, or no model is written that `dtype` could be of.
        RunError: the run has no whole front, which the card tells of, or the file system refuses.
    """
    (assignment,) = steerable.assignments(tradeoff)
    divisor = assignment.divisor.flatten()[0].item()
    if not as_trained(assignment.divisor).all():
        better = f"; ask for --dial {_factor(steerable, tradeoff) / divisor:.6g}" if divisor < float("inf") else ""
        raise ConfigError(
            f"at this dial every token takes a forward of the base model as well, which a plain model has not{better}."
        )
    model, injected = opened_assignment(assignment)
    prefix, gates = injected.prefix, {layer: own[0] for layer, own in injected.gates.items()}
    source = steerable.task.source
    name, gguf = _base_place(source)
    adapted = any(_lora_layers(model.network))
    if prefix is not None and adapted and source["quantization"] != "none":
        raise ConfigError(
            f"quantization: {source['quantization']} cannot be exported with a prefix, since LoRA would be merged into rounded "
            "weights; train without a prefix, or without quantization."
        )
    if dtype is not None and (prefix is None or source["quantization"] != "none"):
        what = "an adapter alone, in float32" if prefix is None else f"the base model as it is, in {source['quantization']}"
        raise ConfigError(f"--dtype {dtype} changes nothing: this export is {what}; leave it out.")
    card = Card(
        steerable, tradeoff, name, gguf, with_prefix=prefix is not None, dtype=str(model.network.dtype).removeprefix("torch.")
    )
    card.check()
    with atomic_folder(out) as folder, quiet():
        if prefix is None:
            _write_lora(model, gates, name, folder)
        else:
            merged = merged_network(model.network, gates, dtype)
            merged.network.save_pretrained(str(folder / "model"))
            model.tokenizer.save_pretrained(str(folder / "model"))
            _write_prompt(model, prefix[0], str((out / "model").resolve()), folder / "adapter")
        card.write(folder)
        for weights in folder.rglob("*.safetensors"):  # which are written for their owner alone
            weights.chmod((folder / CARD).stat().st_mode)
    if prefix is None:
        return [f"{out}: a PEFT LoRA adapter of {name}."]
    told = f"{out / 'model'}: the base model with LoRA merged, in {merged.dtype}."
    if merged.lost:
        share = f"{100 * merged.lost:.2g} %"
        told += f" Rounding moved its weights by {share} of what LoRA does; --dtype float32, twice as large, does not."
    return [told, f"{out / 'adapter'}: a PEFT prompt-tuning adapter over it."]


def merged_network(network: PreTrainedModel, gates: Mapping[str, Tensor] | None = None, dtype: str | None = None) -> Merged:
    """A copy of the network with LoRA in its weights; sums are taken in float32 and rounded once.

    Args:
        network: with LoRA in it.
        gates: `[rank]` by layer, what LoRA is gated by; None for none.
        dtype: of the copy, `float32` or `bfloat16`; None for that of the network.
    """
    whole = deepcopy(network)
    layers = list(_lora_layers(whole))
    changed = lost = 0.0
    for name, layer in layers:
        if gates and name in gates:
            layer.lora_B["default"].weight.data.mul_(gates[name])
        weight = layer.get_base_layer().weight
        before, kept = weight.data, weight.dtype if dtype is None else getattr(torch, dtype)
        weight.data = before.to(torch.float32, copy=True)  # LoRA is added in place
        layer.merge()
        exact, weight.data = weight.data, weight.data.to(kept)
        changed += float((exact - before.float()).square().sum())
        lost += float((weight.data.float() - exact).square().sum())
        parent, _, last = name.rpartition(".")
        setattr(whole.get_submodule(parent), last, layer.get_base_layer())
    for left in ("peft_config", "_hf_peft_config_loaded"):
        if left in vars(whole):
            delattr(whole, left)
    if dtype is not None:
        whole.to(getattr(torch, dtype))
    return Merged(whole, str(whole.dtype).removeprefix("torch."), (lost / changed) ** 0.5 if changed else 0.0)


def _factor(steerable: Steerable, tradeoff: Tradeoff) -> float:
    """Times the trained betas, of the first objective."""
    return float((tradeoff.betas / steerable.opened.trained_betas)[0, 0])


def _base_place(source: Mapping[str, str | None]) -> tuple[str, str | None]:
    """The base model as others would load it, a folder by its whole path, and the GGUF file there, where it is one."""
    name, gguf = model_place(str(source["model"]), source["gguf"], cache_folder())
    folder = Path(name).expanduser()
    return str(folder.resolve()) if folder.is_dir() else name, gguf


def _lora_layers(network: nn.Module) -> Iterator[tuple[str, Any]]:
    """The adapted layers, by name."""
    from peft.tuners.lora import LoraLayer

    return ((name, module) for name, module in network.named_modules() if isinstance(module, LoraLayer))


def _write_lora(model: LanguageModel, gates: Mapping[str, Tensor], base: str, folder: Path) -> None:
    """A PEFT LoRA adapter of the base model; a gate multiplies its column of B."""
    from safetensors.torch import save_file

    tensors = {}
    for name, value in model.network.named_parameters():
        layer, is_up, _ = name.partition(".lora_B.default.")
        if is_up or ".lora_A.default." in name:
            own = value.detach() * gates[layer] if is_up and layer in gates else value.detach()
            tensors[f"base_model.model.{name.replace('.default.', '.')}"] = own.cpu().float().contiguous()
    configs: Any = model.network.peft_config
    config = deepcopy(configs["default"])
    config.base_model_name_or_path, config.inference_mode = base, True
    config.save_pretrained(str(folder))
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    model.tokenizer.save_pretrained(str(folder))


def _write_prompt(model: LanguageModel, prefix: Tensor, base: str, folder: Path) -> None:
    """A PEFT prompt-tuning adapter whose virtual tokens are `prefix`, `[p, hidden]`."""
    from peft import PromptTuningConfig, TaskType
    from safetensors.torch import save_file

    config = PromptTuningConfig(
        task_type=TaskType.CAUSAL_LM,
        num_virtual_tokens=len(prefix),
        token_dim=prefix.shape[1],
        num_transformer_submodules=1,
        num_layers=model.network.config.get_text_config().num_hidden_layers,
        num_attention_heads=model.network.config.get_text_config().num_attention_heads,
        base_model_name_or_path=base,
        inference_mode=True,
    )
    config.save_pretrained(str(folder))
    tensors = {"prompt_embeddings": prefix.detach().to(torch.float32).cpu().contiguous()}
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
