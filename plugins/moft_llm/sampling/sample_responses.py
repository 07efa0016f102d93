"""Samples responses from a model and labels them with scorers, which gives data to train on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

import torch

from moft import ConfigError, DataError, cache_folder
from moft.api import EncodedPrompt, Scorer, generator_for
from moft_llm.data.chat.chat_template import Template
from moft_llm.data.chat.messages import Prompt, ToolPrompt, prompt_json, prompt_record, scorer_prompt
from moft_llm.data.files.prompt_file import read_prompts
from moft_llm.generation.cpu_threads import use_threads
from moft_llm.generation.decoding import Decoding
from moft_llm.generation.generate import generate
from moft_llm.generation.prompts.prompt_checks import check_context
from moft_llm.generation.texts.growing_text import growing_texts, response_texts
from moft_llm.loading.model_loading import load_base
from moft_llm.network.language_model import LanguageModel
from moft_llm.sampling.generated_prompts import Openings, base_assignments, write_openings
from moft_llm.sampling.interrupted_sampling import PartialFile
from moft_llm.sampling.labelled_lists import SampledLists, distinct_responses, label_lists

_MAX_BATCHES = 8  # between two writes of responses
_MAX_SECONDS = 30.0  # between two writes: slower ones sample fewer batches, so that an interrupt loses little


@dataclass(frozen=True)
class SamplingRequest:
    """What to sample.

    Args:
        model: folder, or name on the hub.
        gguf: a file within it, or None.
        prompts: a file of them, or openings.
        template: chat, none, or a format with {prompt}.
        responses: of each prompt.
        decoding: how their tokens are chosen.
        seed: of all random numbers.
    """

    model: str
    gguf: str | None
    prompts: Path | Openings
    template: str
    responses: int
    decoding: Decoding
    seed: int


def sample_responses(
    request: SamplingRequest,
    scorers: Mapping[str, Scorer],
    *,
    on_progress: Callable[[str], None],
    partial: Path,
    threads: int | None = None,
) -> SampledLists:
    """Samples responses and labels them; repeated responses, and prompts with fewer than two different ones, are left out.

    Args:
        request: what to sample.
        scorers: by the name of their objective.
        on_progress: is called with lines about the progress.
        partial: a file of the responses so far; sampling continues from what it holds. The caller removes it once the result is
            written.
        threads: of the CPU; None for what is fast for the model.

    Raises:
        DataError: the model or the prompts cannot be read, nothing is left, or `partial` is of another request.
        PluginError: a scorer fails; `partial` keeps the responses.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    source = request.prompts if isinstance(request.prompts, Openings) else read_prompts(request.prompts)  # fails before loading
    loaded = load_base(request.model, gguf=request.gguf, device=device, cache=cache_folder())
    base, tokenizer = loaded.network, loaded.tokenizer
    for note in loaded.notes:
        on_progress(f"moft: note: {note}")
    settings = _settings(request, source, loaded.hash, device)
    model = LanguageModel(
        base,
        tokenizer,
        tradeoff_size=1,
        lora=None,
        prompt_tokens=0,
        share_prompt=False,
        length_normalization=False,
        gradient_checkpointing=False,
    ).to(device)
    use_threads(threads, None, model)
    try:
        template = Template(tokenizer, request.template)
        model.turn_end = template.end
    except ConfigError as error:
        raise ConfigError(str(error).replace("[task.template]", "--template")) from error
    with PartialFile(partial, settings) as progress:
        if template.asks_time:  # prompts keep the time at which the first of them was put
            template = replace(template, now=progress.now or datetime.now().replace(microsecond=0))
        prompts: Sequence[Prompt]
        if isinstance(source, Openings):
            prompts = progress.openings or write_openings(
                model, source, template, name=request.model, seed=request.seed, batch=request.decoding.batch
            )
            places = [f"opening {number}" for number in range(1, len(prompts) + 1)]
        else:
            prompts, places = source
        tokens = template.tokenize(template.render_all(prompts, places))
        check_context(model, tokens, None, request.decoding.max_new_tokens, places)
        count = len(prompts) * request.responses
        on_progress(f"{len(prompts):,} prompts, {count:,} responses of at most {request.decoding.max_new_tokens} tokens.")
        if progress.lists:
            on_progress(f"{len(progress.lists) * request.responses:,} responses from an earlier call are reused.")
        if not progress.is_begun:
            openings = [scorer_prompt(prompt) for prompt in prompts] if isinstance(source, Openings) else None
            progress.begin(openings, template.now)
        try:
            _sample_remaining(progress, model, template, tokens, places, request, on_progress)
            lists = distinct_responses(prompts, progress.lists)
            if not lists:
                progress.discard()  # the same command would end in the same way
                raise DataError("no prompt has two different responses. Use more tokens, or a higher --sampling-temperature.")
            return label_lists(lists, progress.lists, scorers)
        except BaseException:
            if progress.lists:
                saved = f"{len(progress.lists):,} of {len(prompts):,} prompts"
                on_progress(f"{partial}: holds the responses to {saved}. Run the same command again to continue.")
            raise


def _sample_remaining(
    progress: PartialFile,
    model: LanguageModel,
    template: Template,
    prompts: Sequence[Sequence[int]],
    places: Sequence[str],
    request: SamplingRequest,
    on_progress: Callable[[str], None],
) -> None:
    """Samples the responses that are still to come, some batches at a time; the number of batches does not change responses."""
    times, batches = request.responses, 1
    while (first := len(progress.lists)) < len(prompts):
        start, step = monotonic(), max(1, batches * request.decoding.batch // times)
        rows = [row for row in range(first, min(first + step, len(prompts))) for _ in range(times)]
        tokens = [prompts[row] for row in rows]
        generators = [generator_for(request.seed, "sample", row, number % times) for number, row in enumerate(rows)]
        encoded = [EncodedPrompt(tuple(row), template.leading_space, template.opening) for row in tokens]
        growing = growing_texts(model.tokenizer, encoded, request.decoding)
        new_tokens = generate(
            base_assignments(model, len(rows)),
            tokens,
            request.decoding,
            generators=generators,
            texts=growing,
            places=[places[row] for row in rows],
        )
        responses = response_texts(model.tokenizer, encoded, new_tokens, growing)
        progress.add([responses[i : i + times] for i in range(0, len(responses), times)])
        if len(progress.lists) < len(prompts):
            on_progress(f"{len(progress.lists) * times:,} of {len(prompts) * times:,} responses.")
        seconds = monotonic() - start
        if seconds < _MAX_SECONDS / 2:
            batches = min(2 * batches, _MAX_BATCHES)
        elif seconds > _MAX_SECONDS:
            batches = max(1, batches // 2)


def _settings(
    request: SamplingRequest, source: Openings | tuple[list[Prompt], list[str]], model: str, device: torch.device
) -> dict[str, Any]:
    """What the responses depend on, by the names of the command line. The batch size is not part of it."""
    openings = source if isinstance(source, Openings) else None
    content = None if isinstance(source, Openings) else json.dumps([_content(prompt) for prompt in source[0]])
    return {
        "model": model,
        "prompts": None if content is None else hashlib.sha256(content.encode()).hexdigest(),
        "--openings": None if openings is None else openings.count,
        "--opening-tokens": None if openings is None else openings.tokens,
        "--template": request.template,
        "--responses": request.responses,
        "--max-new-tokens": request.decoding.max_new_tokens,
        "--sampling-temperature": float(request.decoding.sampling_temperature),
        "--top-p": float(request.decoding.top_p),
        "--top-k": request.decoding.top_k,
        "--seed": request.seed,
        "device": device.type,
        **{f"--{name.replace('_', '-')}": value for name, value in request.decoding.limits.items()},
    }


def _content(prompt: Prompt) -> Any:
    """What identifies a prompt, as JSON."""
    return prompt_record(prompt) if isinstance(prompt, ToolPrompt) else prompt_json(prompt)
