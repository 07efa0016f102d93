"""Exports a DPO Soup for llama.cpp: GGUF LoRA adapters whose scales, which each request can give, follow from the weights."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import moft
from moft import ConfigError
from moft.api import SoupPolicy, atomic_folder, redacted
from moft_llm.export.card_metadata import Provenance, front_matter
from moft_llm.export.export import base_path
from moft_llm.export.model_card import CARD
from moft_llm.export.peft_files import lora_layers
from moft_llm.export.weightings import Weighting
from moft_llm.generation.opened_llm_run import LLMRun
from moft_llm.network.language_model import LanguageModel

SCALES = "scales.json"
"""File with the adapters, in the order of their ids, and the scales at some weights."""
ARCHITECTURES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
"""From transformers' kinds of models to those of llama.cpp; rows of `llama`'s queries and keys are in another order there."""

_PAGE = """\
# {name} for llama.cpp

A language model fine-tuned for {objectives} with moft {version} (multi-objective fine-tuning). The base model is `{base}`.
Its licence and that of the training data apply to this model too.

The policy averages the LoRA matrices of one model for each objective. Both A and B are averaged, so that their product has a
part for each objective, and one for each two of them. Each part is an adapter here. Its scale is the square of the weight, or
the product of the two weights. This is exact at any weights.

| id | adapter | scale |
|---|---|---|
{adapters}

## Serve it

Make a GGUF file of the base model by llama.cpp's `convert_hf_to_gguf.py`, or download one, and start the server:

```
llama-server -m base.gguf --lora-init-without-apply \\
{options}
```

Each request names the scales. Requests at other scales wait for each other, since llama.cpp does not batch them together.

```
curl localhost:8080/completion -d {request}
```

`{file}` has the scales at these weights:

| {names} | {ids} |
{rule}
{rows}
"""


def export_llama_cpp(llm_run: LLMRun, weightings: Sequence[Weighting], out: Path, provenance: Provenance) -> list[str]:
    """Writes the adapters into the folder `out`, completely or not at all.

    Args:
        llm_run: of a `dpo-soup`.
        weightings: for the table of scales; none for the vertices and the middle.
        out: must not exist, or be an empty folder.
        provenance: what the user states of the base model and the data.

    Returns: what was written, in lines for the user.

    Raises:
        ConfigError: the policy is not a soup of LoRA alone, or its base model is not one that llama.cpp reads.
    """
    models, names = _models(llm_run), llm_run.opened.names
    for weighting in weightings:
        if weighting.choice is not None and abs(weighting.choice.record["dial"] - 1) > 1e-6:
            raise ConfigError(f"--weights {weighting.choice.name!r}: has a dial other than 1, which llama.cpp does not have.")
    base, gguf = base_path(llm_run.task.source)
    kind = models[0].network.config.model_type
    if kind not in ARCHITECTURES:
        raise ConfigError(f"--as llama.cpp: the base model is of the kind {kind!r}; {', '.join(ARCHITECTURES)} can be exported.")
    pairs = [*((i, i) for i in range(len(names))), *combinations(range(len(names)), 2)]
    stems = [re.sub(r"[^\w-]", "-", name) for name in names]
    files = [f"{stems[i]}.gguf" if i == j else f"{stems[i]}-{stems[j]}.gguf" for i, j in pairs]
    if len(set(files)) < len(files):
        files = [f"adapter-{number}.gguf" for number in range(len(files))]
    rows = [each.record(names)["weights"] for each in weightings] or _usual(names)
    table = [
        {"weights": row, "lora": [{"id": place, "scale": _scale(row, names, pair)} for place, pair in enumerate(pairs)]}
        for row in rows
    ]
    with atomic_folder(out) as folder:
        for file, pair in zip(files, pairs, strict=True):
            write_gguf(folder / file, models, pair)
        formulas = [f"{names[i]}^2" if i == j else f"{names[i]} * {names[j]}" for i, j in pairs]
        adapters = [{"file": file, "scale": formula} for file, formula in zip(files, formulas, strict=True)]
        fields = provenance.fields(base, llm_run.opened.folder.resolved_config())
        record = {"base_model": fields["base_model"], "adapters": adapters, "scales": table}
        (folder / SCALES).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
        fields |= {"library_name": "gguf", "pipeline_tag": "text-generation", "tags": ["moft", "multi-objective", "lora", "gguf"]}
        page = front_matter(fields) + _page(llm_run, adapters, table, fields["base_model"])
        (folder / CARD).write_text(redacted(page), encoding="utf-8")
    return [f"{out}: {len(files)} GGUF adapters of {base if gguf is None else gguf}. {out / SCALES} has their scales."]


def write_gguf(file: Path, models: Sequence[LanguageModel], pair: tuple[int, int]) -> None:
    """Writes the part of the averaged LoRA that two objectives share, or that one has alone, as a GGUF adapter.

    Args:
        file: to write.
        models: of the objectives, with LoRA of one rank and scaling.
        pair: which two objectives; the same number twice for one.
    """
    import gguf

    network: Any = models[0].network
    config = network.config
    architecture = ARCHITECTURES[config.model_type]
    kinds = {name: kind for kind, name in gguf.MODEL_ARCH_NAMES.items()}
    tensor_names = gguf.get_tensor_name_map(kinds[architecture], config.num_hidden_layers)
    writer = gguf.GGUFWriter(file, architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    layers = [dict(lora_layers(models[index].network)) for index in pair]
    one = next(iter(layers[0].values()))
    rank = one.r["default"] * len(set(pair))
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, one.scaling["default"] * rank)  # which llama.cpp divides by the rank
    for name, first in layers[0].items():
        both = [first, layers[1][name]]
        down = [each.lora_A["default"].weight.detach().float().cpu() for each in both]  # [r, in]
        up = [_rows_of(each.lora_B["default"].weight.detach().float().cpu(), name, config, architecture) for each in both]
        a, b = (down[0], up[0]) if pair[0] == pair[1] else (torch.cat(down), torch.cat(up[::-1], 1))
        target = tensor_names.get_name(name)
        if target is None:
            raise ConfigError(f"--as llama.cpp: llama.cpp has no tensor for {name}; leave it out of task.lora.targets.")
        writer.add_tensor(f"{target}.weight.lora_a", a.contiguous().numpy())
        writer.add_tensor(f"{target}.weight.lora_b", b.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _rows_of(up: Tensor, layer: str, config: Any, architecture: str) -> Tensor:
    """B, `[out, r]`, with its rows in the order of llama.cpp, which pairs the halves of a head otherwise."""
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(layer.rpartition(".")[2])
    if architecture != "llama" or heads is None:
        return up
    return up.view(heads, 2, len(up) // heads // 2, -1).transpose(1, 2).reshape(up.shape)


def _models(llm_run: LLMRun) -> list[LanguageModel]:
    """The models of a soup that has LoRA and nothing else."""
    policy = llm_run.opened.policy
    if not isinstance(policy, SoupPolicy):
        raise ConfigError(
            "--as llama.cpp: only a run of dpo-soup has adapters that scales steer. Export weightings of this one by --as peft, "
            "and convert them by llama.cpp's convert_lora_to_gguf.py."
        )
    models = [model for model in policy.dedicated.models if isinstance(model, LanguageModel)]
    if llm_run.task.base_changes:
        raise ConfigError("--as llama.cpp: the base model was changed when it was loaded; merge its adapter, and train on that.")
    if models[0].prompt is not None:
        raise ConfigError("--as llama.cpp: the policy has soft tokens (task.prompt_tokens), which llama.cpp cannot take.")
    if not any(lora_layers(models[0].network)):
        raise ConfigError("--as llama.cpp: the policy has no LoRA, so there is no adapter to export.")
    return models


def _usual(names: Sequence[str]) -> list[dict[str, float]]:
    """All weight on each objective, and the same on all."""
    vertices = [{name: float(name == own) for name in names} for own in names]
    return [*vertices, {name: float(f"{1 / len(names):.8g}") for name in names}]


def _scale(weights: Mapping[str, float], names: Sequence[str], pair: tuple[int, int]) -> float:
    return float(f"{weights[names[pair[0]]] * weights[names[pair[1]]]:.8g}")


def _page(llm_run: LLMRun, adapters: Sequence[Mapping[str, str]], table: Sequence[Mapping[str, Any]], base: str) -> str:
    """The content of `README.md`."""
    names = llm_run.opened.names
    lines = [f"| {number} | `{each['file']}` | {each['scale']} |" for number, each in enumerate(adapters)]
    cells = [[*each["weights"].values(), *(one["scale"] for one in each["lora"])] for each in table]
    rows = [f"| {' | '.join(f'{value:.4g}' for value in row)} |" for row in cells]
    request = {"prompt": "Once upon a time", "n_predict": 64, "lora": table[-1]["lora"]}
    return _PAGE.format(
        name=llm_run.opened.folder.path.resolve().name,
        objectives=", ".join(names),
        version=moft.__version__,
        base=base,
        adapters="\n".join(lines),
        options=" \\\n".join(f"  --lora {each['file']}" for each in adapters),
        request=shlex.quote(json.dumps(request)),
        file=SCALES,
        names=" | ".join(names),
        ids=" | ".join(f"id {number}" for number in range(len(adapters))),
        rule="|---" * (len(names) + len(adapters)) + "|",
        rows="\n".join(rows),
    )
