"""One tradeoff of a policy as files that transformers and PEFT read alone: an adapter, or a model with an adapter over it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from moft import ConfigError, cache_folder
from moft.api import Tradeoff, whole_folder
from moft_llm.asked import Steerable
from moft_llm.card import Card
from moft_llm.generate import as_trained, opened_answer
from moft_llm.loading import model_place, quiet
from moft_llm.model import LanguageModel

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def exported(steerable: Steerable, tradeoff: Tradeoff, out: Path) -> list[str]:
    """Writes one tradeoff into the folder `out`, whole or not at all.

    Without a prefix, `out` is a PEFT LoRA adapter of the base model. With one, `out/model` is the base model with LoRA merged
    into it and `out/adapter` is a PEFT prompt-tuning adapter of that. Gates become part of LoRA's B. Beside them is a model card
    with the picture of the front.

    Args:
        steerable: the run.
        tradeoff: one row.
        out: must not exist.

    Returns: what was written, in lines for the user.

    Raises:
        ConfigError: a plain model cannot do what the tradeoff asks for.
        RunError: the run has no whole front, which the card tells of, or the file system refuses.
    """
    (answer,) = steerable.answers(tradeoff)
    divisor = answer.divisor.flatten()[0].item()
    if not as_trained(answer.divisor).all():
        better = f"; ask for --temperature {_factor(steerable, tradeoff) / divisor:.6g}" if divisor < float("inf") else ""
        raise ConfigError(
            f"at this temperature every token takes a forward of the base model as well, which a plain model has not{better}."
        )
    model, injected = opened_answer(answer)
    prefix, gates = injected.prefix, {layer: own[0] for layer, own in injected.gates.items()}
    source = steerable.task.source
    name, gguf = _base_place(source)
    adapted = any(_lora_layers(model.network))
    if prefix is not None and adapted and source["quantization"] != "none":
        raise ConfigError(
            f"quantization: {source['quantization']} cannot be exported with a prefix, since LoRA would be merged into rounded "
            "weights; train without a prefix, or without quantization."
        )
    card = Card(steerable, tradeoff, name, gguf, with_prefix=prefix is not None)
    card.check()
    with whole_folder(out) as folder, quiet():
        if prefix is None:
            _write_lora(model, gates, name, folder)
        else:
            _write_merged(model, gates, folder / "model")
            _write_prompt(model, prefix[0], str((out / "model").resolve()), folder / "adapter")
        card.write(folder)
    if prefix is None:
        return [f"{out}: a PEFT LoRA adapter of {name}."]
    return [f"{out / 'model'}: the base model with LoRA merged.", f"{out / 'adapter'}: a PEFT prompt-tuning adapter over it."]


def merged_network(network: PreTrainedModel, gates: Mapping[str, Tensor] | None = None) -> PreTrainedModel:
    """A copy of the network whose adapted layers are plain ones again, with LoRA in their weights.

    Args:
        network: with LoRA in it.
        gates: `[rank]` by layer, what LoRA is gated by; None for none.
    """
    whole = deepcopy(network)
    layers = list(_lora_layers(whole))
    for name, layer in layers:
        if gates and name in gates:
            layer.lora_B["default"].weight.data.mul_(gates[name])
        layer.merge()
        parent, _, last = name.rpartition(".")
        setattr(whole.get_submodule(parent), last, layer.get_base_layer())
    for left in ("peft_config", "_hf_peft_config_loaded"):
        if left in vars(whole):
            delattr(whole, left)
    return whole


def _factor(steerable: Steerable, tradeoff: Tradeoff) -> float:
    """Times the trained temperatures, of the first objective."""
    return float((tradeoff.temperatures / steerable.opened.trained_at)[0, 0])


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


def _write_merged(model: LanguageModel, gates: Mapping[str, Tensor], folder: Path) -> None:
    """The base model with LoRA merged into its weights, and the tokenizer."""
    network = merged_network(model.network, gates)
    network.save_pretrained(str(folder))
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
