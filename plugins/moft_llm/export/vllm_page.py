"""The README.md of an export for vLLM: how to start it, what requests look like, and what to look out for."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

import moft
from moft.api import redacted
from moft_llm.export.card_metadata import front_matter
from moft_llm.generation.opened_llm_run import LLMRun

_PAGE = """\
# {name} for vLLM

A language model fine-tuned for {objectives} with moft {version} (multi-objective fine-tuning). It takes the weights of the
objectives with every request. The base model is `{base}`. Its licence and that of the training data apply to this model too.

## Start it

Install vLLM in an environment of its own (0.32 was tried); moft is not needed.

```
pip install vllm
sh {start} --port 8000
```

{where}`sh {start} --help` names the options of the script; all others are those of vLLM.

## Send requests

Objective weights are not negative and sum to 1. They stand in the name of the model, or in a field of their own, by name or in
order:

```
curl localhost:8000/v1/completions -H 'Content-Type: application/json' -d {by_name}
curl localhost:8000/v1/chat/completions -H 'Content-Type: application/json' -d {by_field}
```

{choices}With OpenAI's client for Python, give `extra_body={{"weights": ...}}`. Streaming, `n`, `stop`, `seed` and `logprobs` are
as without moft. The model `{base}` is the base model, which takes no weights. The header `x-moft-weights` of an answer has the
weights that it was generated at. `/v1/completions` takes the prompt as the model is to read it. `/v1/chat/completions` writes it
by the template of the training: {template}.

## What to know

{notes}

## Files

{files}
{picture}"""

_DIAL = (
    "**The dial is 1.** Another one needs the base model at every token, which vLLM cannot give; `moft serve` has an exact dial. "
    "`temperature` in requests is the temperature of sampling."
)
_CLOSED = (
    "**Only text comes in.** Requests with embeddings are refused, and of vLLM's other paths only `/v1/models`, `/health` and "
    "the like are reachable: loading adapters and sending tensors is not for users. vLLM listens on all addresses: give `--host "
    "127.0.0.1`, or `--api-key KEY`."
)


def vllm_page(llm_run: LLMRun, record: Mapping[str, Any], fields: Mapping[str, Any], start: str, picture: str | None) -> str:
    """The content of the page.

    Args:
        llm_run: the run.
        record: of the export.
        fields: base model, licence and datasets, for the hub.
        start: name of the script.
        picture: file of the front; None for none.
    """
    names = record["objectives"]
    example = {name: round(1 / len(names), 4) for name in names}
    example[names[-1]] = round(1 - sum(list(example.values())[:-1]), 4)
    label = ",".join(f"{name}={value:g}" for name, value in example.items())
    base = record["base_name"]
    chat = {"model": record["name"], "weights": example, "messages": [{"role": "user", "content": "Hello"}]}
    text = llm_run.task.prompt_template().text
    page = _PAGE.format(
        name=llm_run.opened.folder.path.resolve().name,
        objectives=", ".join(names),
        version=moft.__version__,
        base=base,
        start=start,
        where=_where(record),
        by_name=_quoted({"model": f"{record['name']}:{label}", "prompt": "Hello"}),
        by_field=_quoted(chat),
        choices=_choices(record),
        template="the chat template of the model" if text == "chat" else f"`{text}`",
        notes="\n".join(f"- {note}" for note in _notes(record)),
        files="\n".join(f"- {line}" for line in _files(record)),
        picture="" if picture is None else f"\n![Front of the policy]({picture})\n",
    )
    more = {"library_name": "vllm", "pipeline_tag": "text-generation", "tags": ["moft", "multi-objective", "lora", "vllm"]}
    whole: str = redacted(front_matter({**fields, **more}) + page)
    return whole


def _quoted(body: Mapping[str, Any]) -> str:
    """JSON as a word of the shell."""
    return shlex.quote(json.dumps(body, ensure_ascii=False))


def _where(record: Mapping[str, Any]) -> str:
    """Where the base model is read from."""
    if record["is_base_inside"]:
        return "The base model is in `base/`. "
    if record["base"] == record["base_name"]:
        return f"vLLM downloads `{record['base']}`, or give `--base FOLDER` with a copy of it. "
    return f"The base model is a folder: if `{record['base_name']}` has moved since training, give `--base FOLDER`. "


def _choices(record: Mapping[str, Any]) -> str:
    """The named choices, those first that can be served."""
    served = [name for name, one in record["choices"].items() if abs(one["dial"] - 1) <= 1e-6]
    others = [name for name in record["choices"] if name not in served]
    name, text = record["name"], ""
    if served:
        listed = ", ".join(f"`{each}`" for each in served)
        text = f'Choices are weights with a name: `{name}:{served[0]}`, or `"choice": "{served[0]}"`. There are {listed}. '
    if others:
        listed = ", ".join(f"`{each}`" for each in others)
        text += f"Not served here, because of a dial of their own: {listed}. "
    return text


def _notes(record: Mapping[str, Any]) -> list[str]:
    """What a user has to know."""
    notes = [_DIAL]
    if record["has_gates"]:
        notes += [
            f"**Weights are rounded to multiples of 1/{record['steps']}**, because each weighting is a LoRA adapter, which is "
            "made when it is asked for. `--steps 100` rounds to hundredths, `--steps 0` not at all. Choices are exact.",
            "**At most 16 weightings run in one step of the engine**; requests at others wait. `--slots 32` allows for more, "
            "and takes memory for each. One more slot is for the base model, which is an adapter that changes nothing.",
            "Adapters that nobody uses are unloaded, the oldest first, once there are four for each slot (`--kept`). They lie in "
            "shared memory meanwhile.",
        ]
    else:
        notes.append("**Weights are exact**, and any number of weightings runs in one batch, as soft tokens before the prompt.")
    if record["prefix"]:
        notes += [
            f"**{record['prefix']} soft tokens stand before every prompt**, and count in the context and in `prompt_tokens`. No "
            "other server and no converter knows them: only this folder does, and PEFT at one weighting at a time.",
            "`echo`, `suffix`, `prompt_logprobs`, `truncate_prompt_tokens` and speculative decoding do not go with them.",
        ]
    notes.append(_CLOSED)
    if record["template"]["control_tokens"]:
        notes.append("A message with the name of a control token is refused; in training, such names were read as text.")
    return [*notes, "Run one API server for an engine; `--api-server-count` is refused."]


def _files(record: Mapping[str, Any]) -> list[str]:
    """What the files are."""
    files = ["`moft_vllm.json` and `policy.safetensors`: the network that reads the weights."]
    if record["lora"] is not None:
        files.append("`adapter/`: the LoRA of the policy, which PEFT reads, too; alone it is not the policy at any weights.")
    if record["prefix"]:
        files.append("`embeddings.safetensors`: those of the base model, to put soft tokens before a prompt.")
    if record["is_base_inside"]:
        files.append("`base/`: the base model, which transformers does not load so by itself.")
    return [
        *files,
        "`tokenizer/` and `chat_template.jinja`.",
        "`moft_vllm/`: the Python package that serves it; it needs torch, safetensors and vLLM, and is found because `start.sh` "
        "puts this folder on Python's path.",
    ]
