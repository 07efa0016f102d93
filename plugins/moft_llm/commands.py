"""The commands for language models: generate from a run, export it, and sample data from a model."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from moft import ConfigError, DataError, cache_folder

DTYPES = ("float32", "bfloat16")
"""Of the weights of an export."""

WeightsOption = Annotated[str | None, typer.Option("--weights", help="0.2,0.8 in order, or helpful=0.2,harmless=0.8.")]
DialOption = Annotated[
    str, typer.Option("--dial", help="Times the trained ones; above 1 moves to the base. One, or 1,3 or helpful=3.")
]
MaxNewTokensOption = Annotated[int, typer.Option("--max-new-tokens", min=1, help="At most so many for each prompt.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Of every draw; the same seed gives the same text.")]
BatchOption = Annotated[int, typer.Option("--batch", min=1, help="Prompts at a time; more are faster and take more memory.")]
SamplingTemperatureOption = Annotated[
    float, typer.Option("--sampling-temperature", help="Logits are divided by it before a draw; not a policy's dial.")
]
TopPOption = Annotated[
    float, typer.Option("--top-p", help="Draws among the likeliest tokens with this share of the probability.")
]
TopKOption = Annotated[int, typer.Option("--top-k", min=0, help="Draws among the likeliest so many; 0 for all.")]


def add(app: typer.Typer, data: typer.Typer) -> None:
    """Adds the commands."""
    app.command("generate")(generate)
    app.command("export")(export)
    data.command("sample")(sample)
    data.command("model")(model)


def generate(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="Run folder of a language model.")],
    prompts: Annotated[list[str] | None, typer.Argument(metavar="PROMPT...", help="What to go on from.")] = None,
    weights: WeightsOption = None,
    file: Annotated[
        Path | None, typer.Option("--file", help='JSON lines: {"prompt": ..., "weights": [...], "dial": ...}.')
    ] = None,
    dial: DialOption = "1",
    max_new_tokens: MaxNewTokensOption = 64,
    greedy: Annotated[bool, typer.Option("--greedy", help="The likeliest token every time, in place of draws.")] = False,
    sampling_temperature: SamplingTemperatureOption = 1.0,
    top_p: TopPOption = 1.0,
    top_k: TopKOption = 0,
    seed: SeedOption = 0,
    batch: BatchOption = 32,
    out: Annotated[Path | None, typer.Option("--out", help="Where to write, as JSON lines; default the terminal.")] = None,
) -> None:
    """Generate text, steered by the weights of each prompt."""
    if bool(prompts) == (file is not None):
        raise ConfigError("moft generate needs either prompts or --file, and not both.")
    if prompts and weights is None:
        raise ConfigError("moft generate needs --weights, such as --weights 0.5,0.5.")
    if greedy and (lost := _given(context, "sampling_temperature", "top_p", "top_k")):
        raise ConfigError(f"{lost} changes nothing with --greedy, which takes the likeliest token; leave one of the two out.")
    if out is not None and out.exists():
        raise DataError(f"{out}: is there already; choose another place or remove it.")
    from moft.api import atomic_write

    _check_folder(out)
    from moft_llm.data.example import prompt_of
    from moft_llm.generation.requests import Request, Steerable, requests_of

    decoding = _decoding(max_new_tokens, greedy, sampling_temperature, top_p, top_k, batch)
    if file is not None:
        requests = requests_of(file, weights, dial)
    else:
        places = [f"prompt {number}" for number in range(1, len(prompts or []) + 1)]
        texts = [prompt_of(text, place) for text, place in zip(prompts or [], places, strict=True)]
        requests = [Request(text, weights, dial, place) for text, place in zip(texts, places, strict=True)]
    steerable = Steerable(run, "moft generate")
    tradeoff = steerable.tradeoff(requests)
    assignments = steerable.assignments(tradeoff)
    for told in (*steerable.opened.substitutions(tradeoff), *steerable.approximations(assignments)):
        typer.echo(f"moft: note: {told}", err=True)
    is_alone = len(requests) == 1 and file is None and out is None
    streamer = steerable.streamer() if is_alone and sys.stdout.isatty() else None
    responses = steerable.texts(assignments, requests, decoding, seed, streamer)
    if is_alone:
        if streamer is None:
            typer.echo(responses[0])
        return
    records = steerable.records(requests, tradeoff, responses)
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    if out is None:
        typer.echo(lines, nl=False)
    else:
        atomic_write(out, lines.encode())


def export(
    run: Annotated[Path, typer.Argument(help="Run folder of a language model.")],
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    weights: WeightsOption = None,
    dial: DialOption = "1",
    dtype: Annotated[
        str | None, typer.Option("--dtype", help="Of a model that LoRA is merged into: float32 or bfloat16; default the run's.")
    ] = None,
) -> None:
    """Freeze one tradeoff into a PEFT adapter, or a model with one, that runs without moft."""
    if weights is None:
        raise ConfigError("moft export needs --weights, such as --weights 0.5,0.5: a plain model has one tradeoff.")
    if dtype not in (None, *DTYPES):
        raise ConfigError(f"--dtype {dtype!r}: is none of {', '.join(DTYPES)}.")
    if out.exists():
        raise DataError(f"{out}: is there already; choose another place or remove it.")
    from moft_llm.export.export import exported
    from moft_llm.generation.requests import Steerable

    steerable = Steerable(run, "moft export")
    tradeoff = steerable.opened.tradeoff(weights, dial)
    for told in steerable.opened.substitutions(tradeoff):
        typer.echo(f"moft: note: {told}", err=True)
    for line in exported(steerable, tradeoff, out, dtype):
        typer.echo(line)


def sample(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="Folder of a causal language model, or its name on the Hugging Face hub.")],
    prompts: Annotated[
        Path | None, typer.Argument(help='What to respond to: .jsonl with "prompt", or .txt with one on each line.')
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Where to write, as JSON lines.")] = None,
    scorer: Annotated[
        list[str] | None, typer.Option("--scorer", metavar="NAME=KIND", help="An objective and what labels it; may be repeated.")
    ] = None,
    responses: Annotated[int, typer.Option("--responses", min=2, help="Of each prompt.")] = 4,
    openings: Annotated[
        int | None, typer.Option("--openings", min=1, help="Prompts that the model writes itself, in place of a file.")
    ] = None,
    opening_tokens: Annotated[int, typer.Option("--opening-tokens", min=1, help="Length of an opening.")] = 15,
    template: Annotated[str, typer.Option("--template", help="chat, none, or a format with {prompt}, as in a config.")] = "none",
    max_new_tokens: MaxNewTokensOption = 64,
    sampling_temperature: SamplingTemperatureOption = 1.0,
    top_p: TopPOption = 1.0,
    top_k: TopKOption = 0,
    seed: SeedOption = 0,
    batch: BatchOption = 64,
    gguf: Annotated[str | None, typer.Option("--gguf", help="A GGUF file within the folder.")] = None,
    plugin: Annotated[
        list[Path] | None, typer.Option("--plugin", help="A plugin file whose scorers can be named; may be repeated.")
    ] = None,
) -> None:
    """Sample responses from a model and label them with scorers: data to train on."""
    if (prompts is None) == (openings is None):
        raise ConfigError("moft data sample needs either a file of prompts or --openings, and not both.")
    if openings is None and (lost := _given(context, "opening_tokens")):
        raise ConfigError(f"{lost} changes nothing without --openings, the prompts that the model writes itself; leave it out.")
    if out is None:
        raise ConfigError("moft data sample needs --out, the file to write.")
    if out.exists():
        raise DataError(f"{out}: is there already; choose another place or remove it.")
    _check_folder(out)
    from moft.api import atomic_write
    from moft_llm.sampling.partial_file import SUFFIX
    from moft_llm.sampling.sample_responses import Openings, Wanted, sampled, scorers_of

    for file in plugin or ():
        context.obj.register_file(file)
    decoding = _decoding(max_new_tokens, False, sampling_temperature, top_p, top_k, batch)
    labels = scorers_of(scorer or [], context.obj)
    source = prompts if prompts is not None else Openings(openings or 1, opening_tokens)
    partial = out.with_name(out.name + SUFFIX)
    found = sampled(Wanted(model, gguf, source, template, responses, decoding, seed), labels, on_progress=_tell, partial=partial)
    atomic_write(out, found.lines.encode())
    partial.unlink()
    typer.echo(f"{out}: {found.summary}")


def model(
    name: Annotated[str, typer.Argument(help="Which: smollm2 (SmolLM2-135M-Instruct, 93 MB to download).")],
    out: Annotated[Path | None, typer.Option(help="Folder to make; by default in moft's cache, where its name finds it.")] = None,
) -> None:
    """Download a small real language model."""
    from moft_llm.loading import smollm2

    if name != smollm2.NAME:
        raise DataError(f"{name!r} is not known; there is {smollm2.NAME!r}.")
    target = out or cache_folder() / "models" / smollm2.NAME
    is_new = smollm2.fetch_smollm2(target)
    typer.echo(f"{target}: {'fetched' if is_new else 'is there already, its content is as it should be'}.")
    typer.echo(smollm2.NOTICE)


def _tell(text: str) -> None:
    typer.echo(text, err=True)


def _given(context: typer.Context, *names: str) -> str | None:
    """The first of some options that the user wrote, whatever its value."""
    sources = ((name, context.get_parameter_source(name)) for name in names)
    return next((f"--{name.replace('_', '-')}" for name, source in sources if source and source.name != "DEFAULT"), None)


def _decoding(tokens: int, greedy: bool, sampling_temperature: float, top_p: float, top_k: int, batch: int) -> Any:
    """How tokens are chosen, once the numbers are known to be allowed."""
    from moft_llm.generation.generate import Decoding

    if not 0 < sampling_temperature < float("inf"):
        raise ConfigError(f"--sampling-temperature {sampling_temperature:g}: must be above 0; --greedy is its limit.")
    if not 0 < top_p <= 1:
        raise ConfigError(f"--top-p {top_p:g}: must be above 0 and at most 1.")
    return Decoding(tokens, greedy, sampling_temperature, top_k, top_p, batch)


def _check_folder(out: Path | None) -> None:
    """Nothing, when `out` can be written later: told before text is generated for it, not after.

    Raises:
        DataError: there is no such folder, or it cannot be written to.
    """
    folder = Path() if out is None else out.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise DataError(f"{out}: cannot be written, because {folder} is no folder that can be written to; make it first.")
