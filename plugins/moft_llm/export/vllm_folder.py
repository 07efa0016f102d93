"""Exports a conditioned policy as a folder that stock vLLM serves at any objective weights, without moft."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import moft
from moft import ConfigError, RunError
from moft.api import ConditionedPolicy, SoupPolicy, TemperaturePolicy, Tradeoff, atomic_folder, formula_of
from moft_llm.data.chat.chat_template import PLACEHOLDER, Template
from moft_llm.export.card_metadata import Provenance
from moft_llm.export.export import base_path
from moft_llm.export.model_card import CARD, PICTURE
from moft_llm.export.peft_files import without_lora, write_lora
from moft_llm.export.vllm_page import vllm_page
from moft_llm.generation.model_of_policy import unpack_assignment
from moft_llm.generation.opened_llm_run import LLMRun
from moft_llm.generation.prepare_model import end_tokens
from moft_llm.loading.transformers_logging import quiet
from moft_llm.network.architecture import embeddings_of
from moft_llm.network.language_model import LanguageModel
from moft_vllm.errors import FolderError
from moft_vllm.policy import ADAPTER, BASE, EMBEDDINGS, POLICY, RECORD, SCHEMA, TEMPLATE, TOKENIZER, Policy
from moft_vllm.prompts import EMBEDDED

NAME, STEPS = "moft", 64
"""The name of the model in requests, and the steps that weights are rounded to where each weighting has an adapter."""
PACKAGE, START = "moft_vllm", "start.sh"
_TOLERANCE = 1e-5  # of what the folder computes, against moft
_START = """\
#!/bin/sh
# Starts vLLM with this policy. More options are vLLM's, such as --port 8001; `--help` names those of this script.
here=$(cd "$(dirname "$0")" && pwd)
PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}" exec "${PYTHON:-python3}" -m moft_vllm "$here" "$@"
"""


def export_vllm(llm_run: LLMRun, out: Path, provenance: Provenance) -> list[str]:
    """Writes the folder `out`, completely or not at all.

    Args:
        llm_run: of one model that is conditioned on the weights by a prefix, gates of LoRA, or both.
        out: must not exist, or be an empty folder.
        provenance: what the user states of the base model and the data.

    Returns: what was written, in lines for the user.

    Raises:
        ConfigError: the policy is of another kind.
        RunError: the folder would compute something else than the run, or it cannot be written.
    """
    policy = _checked(llm_run)
    conditioner: Any = policy.conditioner
    try:
        formula = formula_of(conditioner)
    except ConfigError as error:
        raise ConfigError(f"--for vllm: {error} Export weightings of it by --as peft.") from error
    count = len(llm_run.opened.names)
    points = torch.cat([torch.eye(count), torch.full((1, count), 1 / count)])
    (assignment,) = llm_run.assignments(Tradeoff(points, llm_run.opened.trained_betas))
    model, injected = unpack_assignment(assignment)
    path, gguf = base_path(llm_run.task.source)
    is_inside = gguf is not None or bool(llm_run.task.base_changes)
    fields = provenance.fields(path, llm_run.opened.folder.resolved_config())
    if fields["base_model"] == NAME:
        raise ConfigError(f"--for vllm: the base model is called {NAME!r}, as the policy is; state its name by --base-id.")
    template = llm_run.task.prompt_template()
    record = {
        "schema": SCHEMA,
        "moft": moft.__version__,
        "name": NAME,
        "base": BASE if is_inside else _named_by_user(llm_run, fields["base_model"], path),
        "base_name": fields["base_model"],
        "is_base_inside": is_inside,
        "dtype": str(model.network.dtype).removeprefix("torch."),
        "objectives": list(llm_run.opened.names),
        "choices": {name: {"weights": dict(one.weights), "dial": one.dial} for name, one in llm_run.opened.choices().items()},
        "steps": STEPS if injected.gates else 0,
        "prefix": 0 if injected.prefix is None else injected.prefix.shape[1],
        "has_gates": bool(injected.gates),
        "end_tokens": sorted(end_tokens(model)),
        "template": _template(template),
        "lora": _lora(model),
        "formula": formula,
    }
    with atomic_folder(out) as folder, quiet():
        _write_tensors(model, conditioner, record, folder)
        if record["lora"] is not None:
            (folder / ADAPTER).mkdir()
            write_lora(model, {}, fields["base_model"], folder / ADAPTER)
        if is_inside:
            without_lora(model.network).save_pretrained(str(folder / BASE))
            model.tokenizer.save_pretrained(str(folder / BASE))
        model.tokenizer.save_pretrained(str(folder / TOKENIZER))
        model.network.config.save_pretrained(str(folder / TOKENIZER))  # vLLM looks for it beside a tokenizer
        (folder / TEMPLATE).write_text(_chat_template(template, record), "utf-8")
        (folder / RECORD).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
        _write_package(folder)
        has_picture = (llm_run.opened.folder.path / PICTURE).exists()
        if has_picture:
            shutil.copyfile(llm_run.opened.folder.path / PICTURE, folder / PICTURE)
        (folder / CARD).write_text(vllm_page(llm_run, record, fields, START, PICTURE if has_picture else None), "utf-8")
        for weights in folder.rglob("*.safetensors"):
            weights.chmod((folder / CARD).stat().st_mode)
        _compare(_read(folder), points, injected.prefix, injected.gates)
    return [f"{out}: the policy at any weights, for vLLM. `{out / START}` starts it, and {out / CARD} says how to use it."]


def _checked(llm_run: LLMRun) -> ConditionedPolicy:
    """The policy, if vLLM can be given all of it."""
    policy, source = llm_run.opened.policy, llm_run.task.source
    if isinstance(policy, SoupPolicy):
        raise ConfigError(
            "--for vllm: dpo-soup has no conditioner; export weightings by --as peft, which vLLM serves as adapters."
        )
    if isinstance(policy, TemperaturePolicy):
        raise ConfigError("--for vllm: this policy also reads betas (method.betas); export weightings of it by --as peft.")
    if not isinstance(policy, ConditionedPolicy) or policy.conditioner is None or not policy.conditioner.per_row:
        raise ConfigError("--for vllm: needs a cos-dpo run with hpt, hyper-lora or both; export weightings of this by --as peft.")
    if source["quantization"] != "none":
        raise ConfigError(
            f"--for vllm: a base model in {source['quantization']} (task.quantization) is not served so; `moft serve` serves it."
        )
    return policy


def _named_by_user(llm_run: LLMRun, name: str, path: str) -> str:
    """The base model's name on the hub, or else its place as the config of the run has it."""
    return name if "/" in name or not Path(path).is_dir() else str(llm_run.task.source["model"])


def _lora(model: LanguageModel) -> dict[str, Any] | None:
    """Rank and targets of LoRA; targets are the last parts of names, as vLLM takes them."""
    if not model.spec.ranks:
        return None
    return {"rank": max(model.spec.ranks.values()), "targets": sorted({name.rpartition(".")[2] for name in model.spec.ranks})}


def _template(template: Template) -> dict[str, Any]:
    """How prompts become text."""
    controls = template.splitter.names if template.is_splitting else ()
    common = {"adds_begin": bool(template.begin), "control_tokens": list(controls)}
    if template.text == "chat":
        return {"kind": "chat", **common}
    before, after = ("", "") if template.text == "none" else template.text.rstrip(" ").split(PLACEHOLDER)
    return {"kind": "format", "before": before, "after": after, **common}


def _chat_template(template: Template, record: Mapping[str, Any]) -> str:
    """What vLLM makes of messages; for a message with a whole prompt as embeddings, only their place."""
    content = "(messages[0]['content'] if messages[0]['content'] is string else messages[0]['content'][0]['text'])"
    found = record["template"]
    if found["kind"] == "chat":
        own = str(template.tokenizer.get_chat_template())
    else:
        before, after = (json.dumps(found[side], ensure_ascii=False) for side in ("before", "after"))
        own = f"{{{{ {before} ~ {content} ~ {after} }}}}"
    if not record["prefix"]:
        return own
    return f"{{% if messages[0]['role'] == '{EMBEDDED}' %}}{{{{ {content} }}}}{{% else %}}{{{{ '' }}}}{own}{{% endif %}}"


def _write_tensors(model: LanguageModel, conditioner: torch.nn.Module, record: Mapping[str, Any], folder: Path) -> None:
    """The conditioner, the policy's own prompt, and the embeddings where prompts become some."""
    from safetensors.torch import save_file

    tensors = {name: value.detach().float().cpu().contiguous() for name, value in conditioner.state_dict().items()}
    if model.prompt is not None:
        tensors["own_prompt"] = model.prompt.detach().float().cpu().contiguous()
    save_file(tensors, folder / POLICY)
    if record["prefix"]:
        table = embeddings_of(model.network)
        with torch.no_grad():
            rows = table(torch.arange(table.num_embeddings, device=table.weight.device))  # some models scale them
        save_file({"embeddings": rows.cpu().contiguous()}, folder / EMBEDDINGS)


def _write_package(folder: Path) -> None:
    """The package that serves, as if it were installed in the folder, and the script that starts it."""
    spec = find_spec(PACKAGE)
    source = Path(str(spec and spec.origin)).parent
    shutil.copytree(source, folder / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    about = folder / f"{PACKAGE}-{moft.__version__}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {moft.__version__}\n", "utf-8")
    (about / "entry_points.txt").write_text(f"[vllm.general_plugins]\nmoft = {PACKAGE}.vllm_plugin:register\n", "utf-8")
    (folder / START).write_text(_START, "utf-8")
    (folder / START).chmod(0o755)


def _read(folder: Path) -> Policy:
    """The policy as it will be served.

    Raises:
        ConfigError: its formula is of a kind that is not known there, such as one of another plugin.
    """
    try:
        return Policy.read(folder)
    except FolderError as error:
        raise ConfigError(f"--for vllm: {error} Export weightings of it by --as peft.") from error


def _compare(exported: Policy, points: Tensor, prefix: Tensor | None, gates: Mapping[str, Tensor]) -> None:
    """Checks that the folder computes at some weights what moft does.

    Raises:
        RunError: it does not.
    """
    for row, weights in enumerate(points.tolist()):
        own, soft = exported.gates(weights), exported.prefix(weights)
        pairs = [(own[layer], values[row]) for layer, values in gates.items()]
        if prefix is not None and soft is not None:
            pairs.append((soft.to(prefix.dtype), prefix[row]))
        for found, expected in pairs:
            off = (found.double() - expected.detach().cpu().double()).abs().max().item()
            least = 1.0 if expected.dtype == torch.float32 else 2**-7 / _TOLERANCE
            if not off <= least * _TOLERANCE * (1 + expected.abs().max().item()):
                raise RunError(f"--for vllm: the folder would differ from the run, by {off:.2g}; nothing was written.")
