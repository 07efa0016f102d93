"""The commands of language models: `moft generate`, `moft chat`, `moft export`, `moft data sample` and `moft data model`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import moft
from moft import ConfigError, DataError, cache_folder
from moft_llm.chat.command import chat
from moft_llm.export.option_values import join_values
from moft_llm.text_options import given_option, with_decoding

DTYPES = ("float32", "bfloat16")
"""Allowed for the weights of an export."""

WeightsOption = Annotated[
    str | None,
    typer.Option(
        "--weights", help="Objective weights, in order (0.2,0.8), by name (helpful=0.2,harmless=0.8), or the name of a choice."
    ),
]
DialOption = Annotated[
    str | None,
    typer.Option("--dial", help="Factor on the trained betas; 1 is as trained, the default; larger is closer to the base model."),
]
TrustOption = Annotated[
    bool, typer.Option("--trust", help="Run plugin files whose content you have not trusted yet, and remember it as trusted.")
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Random seed; the same seed gives the same text.")]
ThreadsOption = Annotated[
    int | None,
    typer.Option("--threads", min=1, max=1024, help="Threads of the CPU; default those of training, or one for a small model."),
]


def add(app: typer.Typer, data: typer.Typer) -> None:
    """Adds the commands."""
    app.command("generate")(generate)
    app.command("chat")(chat)
    app.command("export")(export)
    data.command("sample")(sample)
    data.command("model")(model)


@with_decoding()
def generate(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="Run folder of a language model.")],
    prompts: Annotated[list[str] | None, typer.Argument(metavar="PROMPT...", help="Prompts to respond to.")] = None,
    weights: WeightsOption = None,
    file: Annotated[
        Path | None, typer.Option("--file", help='JSON lines: {"prompt": ..., "weights": [...], "dial": ...}.')
    ] = None,
    dial: DialOption = None,
    decoding: Any = None,
    samples: Annotated[int, typer.Option("--samples", min=1, max=10_000, help="Responses to each prompt.")] = 1,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="File for the output as JSON lines; default the terminal.")] = None,
    trust: TrustOption = False,
) -> None:
    """Generate responses to prompts, each at its own objective weights."""
    if bool(prompts) == (file is not None):
        raise ConfigError("moft generate needs either prompts or --file, not both.")
    if prompts and weights is None:
        raise ConfigError("moft generate needs --weights, such as --weights 0.5,0.5.")
    settings = decoding()
    if settings.greedy and samples > 1:
        raise ConfigError(f"--samples {samples}: greedy responses to a prompt would be identical. Leave one of the two out.")
    if out is not None and out.exists():
        raise DataError(f"{out}: already exists. Choose another path or remove it.")
    from moft.api import atomic_write, when_interrupted

    _check_folder(out)
    from moft_llm.data.preference_example import prompt_of
    from moft_llm.generation.opened_llm_run import LLMRun
    from moft_llm.generation.prompts.prompt_requests import Request, read_requests

    if file is not None:
        requests = read_requests(file, weights, dial)
    else:
        places = [f"prompt {number}" for number in range(1, len(prompts or []) + 1)]
        texts = [prompt_of(text, place) for text, place in zip(prompts or [], places, strict=True)]
        requests = [Request(text, weights, dial, place) for text, place in zip(texts, places, strict=True)]
    is_alone = len(requests) * samples == 1 and file is None and out is None
    requests = [request for request in requests for _ in range(samples)]
    with when_interrupted(lambda: "Nothing was written yet."):
        llm_run = LLMRun(run, "moft generate", threads, trust=trust)
        tradeoff = llm_run.tradeoff(requests)
        assignments = llm_run.assignments(tradeoff)
        for note in (*llm_run.opened.substitutions(tradeoff), *llm_run.approximations(assignments)):
            typer.echo(f"moft: note: {note}", err=True)
        on_text = _print_piece if is_alone and sys.stdout.isatty() else None
        responses = llm_run.responses(assignments, requests, settings, seed, on_text)
    if is_alone:
        typer.echo("" if on_text is not None else responses[0])
        return
    records = llm_run.records(requests, tradeoff, responses)
    if samples > 1:
        records = [{**record, "sample": row % samples} for row, record in enumerate(records)]
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    if out is None:
        typer.echo(lines, nl=False)
    else:
        atomic_write(out, lines.encode())


def export(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    out: Annotated[Path, typer.Argument(help="Folder to create, or an empty one.")],
    form: Annotated[
        str | None,
        typer.Option("--as", help="Of a ranker, which needs it: onnx or lightgbm. Of a language model: peft or llama.cpp."),
    ] = None,
    server: Annotated[
        str | None, typer.Option("--for", help="vllm: a language model at any weights, which vLLM serves without moft.")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weights",
            help="Objective weights, in order (0.2,0.8), by name (helpful=0.2,harmless=0.8), or the name of a choice. Of a "
            "language model repeatable: an adapter for each.",
        ),
    ] = None,
    points: Annotated[
        int | None,
        typer.Option("--points", help="Of a language model: the weights of a grid of so many points, as profile.points."),
    ] = None,
    dial: DialOption = None,
    dtype: Annotated[
        str | None, typer.Option("--dtype", help="Weights of a merged model: float32 or bfloat16; default those of the run.")
    ] = None,
    base_id: Annotated[
        str | None,
        typer.Option("--base-id", help="For cards: the name on the hub of a base model that is a folder here."),
    ] = None,
    license: Annotated[
        str | None, typer.Option("--license", help="For cards, such as apache-2.0; default that which the base model states.")
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option("--dataset", help="For cards: name of the training data; repeatable; default that of the run."),
    ] = None,
    threads: ThreadsOption = None,
    trust: TrustOption = False,
) -> None:
    """Export a policy so that it works without moft: a ranker with weights as inputs, a language model for other programs."""
    if dtype not in (None, *DTYPES):
        raise ConfigError(f"--dtype {dtype!r} must be one of {', '.join(DTYPES)}.")
    from moft.api import is_free, when_interrupted

    if not is_free(out):
        raise DataError(f"{out}: already exists. Choose another path or remove it.")
    given = {"as": form, "for": server, "weights": join_values(weights), "points": points, "dial": dial, "dtype": dtype}
    given |= {"base-id": base_id, "license": license, "dataset": join_values(dataset), "threads": threads}
    options = {name: str(value) for name, value in given.items() if value is not None}
    with when_interrupted(lambda: "Nothing was written yet."):
        opened = moft.open_run(run, trust=trust, plugins=context.obj)
        for hook in context.obj.implementations("moft_export"):
            if (lines := hook(run=opened, out=out, options=options)) is not None:
                break
        else:
            raise ConfigError(f"{run}: a run of a task that no plugin exports.")
    for line in lines:
        typer.echo(line)


@with_decoding(leave_out=["greedy"], defaults={"batch": 64})
def sample(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="Folder of a causal language model, or its name on the Hugging Face hub.")],
    prompts: Annotated[
        Path | None, typer.Argument(help='Prompts to respond to: .jsonl with "prompt", or .txt with one per line.')
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="File to create, of JSON lines.")] = None,
    scorer: Annotated[
        list[str] | None,
        typer.Option("--scorer", metavar="NAME=KIND", help="An objective and the scorer that labels it; may be repeated."),
    ] = None,
    responses: Annotated[int, typer.Option("--responses", min=2, max=10_000, help="Responses per prompt.")] = 4,
    openings: Annotated[
        int | None,
        typer.Option(
            "--openings", min=1, max=1_000_000, help="Number of prompts that the model writes itself, instead of a file."
        ),
    ] = None,
    opening_tokens: Annotated[int, typer.Option("--opening-tokens", min=1, max=2**31 - 1, help="Length of such a prompt.")] = 15,
    template: Annotated[
        str, typer.Option("--template", help="chat, none, or a format with {prompt}, as task.template.")
    ] = "none",
    decoding: Any = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    gguf: Annotated[str | None, typer.Option("--gguf", help="A GGUF file within the folder of the model.")] = None,
    plugin: Annotated[
        list[Path] | None, typer.Option("--plugin", help="A plugin file whose scorers --scorer can name; may be repeated.")
    ] = None,
) -> None:
    """Sample responses from a model and label them with scorers, to train on them."""
    if (prompts is None) == (openings is None):
        raise ConfigError("moft data sample needs either a file of prompts or --openings, not both.")
    if openings is None and (unused := given_option(context, "opening_tokens")):
        raise ConfigError(f"{unused} has no effect without --openings, the prompts that the model writes itself. Leave it out.")
    if out is None:
        raise ConfigError("moft data sample needs --out, the file to write.")
    if out.exists():
        raise DataError(f"{out}: already exists. Choose another path or remove it.")
    _check_folder(out)
    from moft.api import atomic_write, when_interrupted
    from moft_llm.sampling.generated_prompts import Openings
    from moft_llm.sampling.interrupted_sampling import SUFFIX
    from moft_llm.sampling.sample_responses import SamplingRequest, sample_responses
    from moft_llm.sampling.scorer_options import scorers_of

    for file in plugin or ():
        context.obj.register_file(file)
    scorers = scorers_of(scorer or [], context.obj)
    source = prompts if prompts is not None else Openings(openings or 1, opening_tokens)
    partial = out.with_name(out.name + SUFFIX)
    request = SamplingRequest(model, gguf, source, template, responses, decoding(), seed)
    kept = f"{partial} holds the responses so far."
    with when_interrupted(lambda: kept if partial.exists() else "Nothing was written yet."):
        sampled = sample_responses(request, scorers, on_progress=_print_progress, partial=partial, threads=threads)
    atomic_write(out, sampled.lines.encode())
    partial.unlink()
    typer.echo(f"{out}: {sampled.summary}")


def model(
    name: Annotated[str, typer.Argument(help="smollm2 (SmolLM2-135M-Instruct, a download of 93 MB).")],
    out: Annotated[
        Path | None, typer.Option(help="Folder to create; default in moft's cache, where configs find it by name.")
    ] = None,
) -> None:
    """Download a small real language model."""
    from moft_llm.loading import smollm2

    if name != smollm2.NAME:
        raise DataError(f"{name!r} is not a model that moft can download; there is {smollm2.NAME!r}.")
    target = out or cache_folder() / "models" / smollm2.NAME
    is_new = smollm2.download_smollm2(target)
    typer.echo(f"{target}: {'downloaded' if is_new else 'already downloaded, and undamaged'}.")
    typer.echo(smollm2.NOTICE)


def _print_progress(text: str) -> None:
    typer.echo(text, err=True)


def _print_piece(text: str) -> None:
    """Prints a piece of a response at once."""
    print(text, end="", flush=True)


def _check_folder(out: Path | None) -> None:
    """Checks that `out` can be written, before text is generated for it.

    Raises:
        DataError: its folder does not exist, or is not writable.
    """
    folder = Path() if out is None else out.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise DataError(f"{out}: cannot be written, because {folder} is not a writable folder. Create it first.")
