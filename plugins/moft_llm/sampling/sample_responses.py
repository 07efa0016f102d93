"""Lists to train on, made from a model: sampled responses, labelled by scorers."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import torch

from moft import ConfigError, DataError, cache_folder
from moft.api import Assignment, Injection, Plugins, Scorer, component, generator_for, read_value
from moft_llm.data.chat_template import Template
from moft_llm.data.example import Prompt, last_words, prompt_line, prompt_lines, prompt_of
from moft_llm.data.score_responses import scored
from moft_llm.generation.detokenize import texts_after
from moft_llm.generation.generate import Decoding, check_context, generated
from moft_llm.loading.model_loading import content_hash, load_model
from moft_llm.network.language_model import LanguageModel
from moft_llm.sampling.partial_file import Partial

_BATCHES = 8  # at most, of prompts of like length next to each other; what is sampled is kept after each such lot
_SECONDS = 30.0  # that a lot may take: lots get smaller where they take longer, so that an interrupt loses little
_OPENINGS_TRIED = 4  # times as many as are wanted, before too few different ones is an error


@dataclass(frozen=True)
class Openings:
    """Prompts that the model writes itself, all different.

    Args:
        count: how many.
        tokens: length of each.
    """

    count: int
    tokens: int


@dataclass(frozen=True)
class Wanted:
    """What to sample.

    Args:
        model: folder, or name on the hub.
        gguf: a file within it, or None.
        prompts: a file of them, or openings.
        template: how prompts are put to the model.
        responses: of each prompt.
        decoding: how their tokens are chosen.
        seed: of all draws.
    """

    model: str
    gguf: str | None
    prompts: Path | Openings
    template: str
    responses: int
    decoding: Decoding
    seed: int


@dataclass(frozen=True)
class Sampled:
    """What came of it.

    Args:
        lines: the lists, as JSON lines.
        summary: one sentence for the user.
    """

    lines: str
    summary: str


def scorers_of(texts: Sequence[str], plugins: Plugins) -> dict[str, Scorer]:
    """Scorers by the name of their objective, from texts of the form NAME=KIND.

    Raises:
        ConfigError: a text has another form, a name stands twice, or a scorer or its settings are wrong.
    """
    if not texts:
        raise ConfigError("moft data sample needs --scorer NAME=KIND, such as --scorer positive=vader; it may be repeated.")
    found: dict[str, Scorer] = {}
    for text in texts:
        name, equals, kind = text.partition("=")
        if not equals or not name.strip() or not kind.strip():
            raise ConfigError(f"--scorer {text!r} is not of the form NAME=KIND, as in positive=vader.")
        if name.strip() in found:
            raise ConfigError(f"--scorer {name.strip()!r} is given twice.")
        path = f"--scorer {name.strip()}"
        found[name.strip()] = component(Scorer, read_value(kind, path), plugins, path)
    return found


def sampled(wanted: Wanted, scorers: Mapping[str, Scorer], *, on_progress: Callable[[str], None], partial: Path) -> Sampled:
    """Samples responses and labels them; lists whose responses are all the same are left out, and so are repeated responses.

    Args:
        wanted: what.
        scorers: by the name of their objective.
        tell: is called with progress, a line at a time.
        partial: keeps the responses as they come; what an earlier call left there is gone on with. The caller removes it once
            the lists are written.

    Raises:
        DataError: the model or the prompts cannot be read, nothing is left, or `partial` is of another sampling.
        PluginError: a scorer fails; the responses are kept.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    source = wanted.prompts if isinstance(wanted.prompts, Openings) else _read(wanted.prompts)  # before the model is read
    base, tokenizer = load_model(wanted.model, gguf=wanted.gguf, device=device, cache=cache_folder())
    settings = _settings(wanted, source, content_hash(base, tokenizer), device)
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
    try:
        template = Template(tokenizer, wanted.template)
    except ConfigError as error:
        raise ConfigError(str(error).replace("[task.template]", "--template")) from error
    with Partial(partial, settings) as kept:
        prompts: Sequence[Prompt]
        places: list[str] | None
        if isinstance(source, Openings):
            prompts, places = kept.openings or _openings(model, source, template, wanted), None
        else:
            prompts, places = source
        rendered = template.tokens([template.rendered(prompt, _place(places, row)) for row, prompt in enumerate(prompts)])
        called = [_place(places, row) for row in range(len(prompts))]
        check_context(model, rendered, None, wanted.decoding.max_new_tokens, called)
        count = len(prompts) * wanted.responses
        on_progress(f"{len(prompts):,} prompts, {count:,} responses of at most {wanted.decoding.max_new_tokens} tokens.")
        if kept.lists:
            on_progress(f"{len(kept.lists) * wanted.responses:,} responses are there from before.")
        if not kept.is_begun:
            kept.begin(None if places is not None else [last_words(prompt) for prompt in prompts])
        try:
            _complete(kept, model, template, rendered, called, wanted, on_progress)
            return _written(prompts, kept, scorers)
        except BaseException:
            if kept.lists:
                there = f"{len(kept.lists):,} of {len(prompts):,} prompts"
                on_progress(f"{partial}: keeps the responses to {there}; the same command goes on with them.")
            raise


def _complete(
    kept: Partial,
    model: LanguageModel,
    template: Template,
    prompts: Sequence[Sequence[int]],
    places: Sequence[str],
    wanted: Wanted,
    on_progress: Callable[[str], None],
) -> None:
    """Samples the responses that are not kept yet, a lot of prompts at a time; rows are the same whatever their lot is."""
    times, batches = wanted.responses, 1
    while (first := len(kept.lists)) < len(prompts):
        began, step = monotonic(), max(1, batches * wanted.decoding.batch // times)
        rows = [row for row in range(first, min(first + step, len(prompts))) for _ in range(times)]
        asked = [prompts[row] for row in rows]
        generators = [generator_for(wanted.seed, "sample", row, number % times) for number, row in enumerate(rows)]
        ids = generated(
            _base(model, len(rows)), asked, wanted.decoding, generators=generators, places=[places[row] for row in rows]
        )
        texts = [text.removeprefix(template.lead) for text in texts_after(model.tokenizer, asked, ids)]
        kept.add([texts[start : start + times] for start in range(0, len(texts), times)])
        if len(kept.lists) < len(prompts):
            on_progress(f"{len(kept.lists) * times:,} of {len(prompts) * times:,} responses.")
        took = monotonic() - began
        if took < _SECONDS / 2:
            batches = min(2 * batches, _BATCHES)
        elif took > _SECONDS:
            batches = max(1, batches // 2)


def _settings(
    wanted: Wanted, source: Openings | tuple[list[Prompt], list[str]], model: str, device: torch.device
) -> dict[str, str | float | None]:
    """What the responses depend on, as the command line calls it; a batch of another size gives the same ones."""
    openings = source if isinstance(source, Openings) else None
    content = None if isinstance(source, Openings) else json.dumps([_plain(prompt) for prompt in source[0]])
    return {
        "model": model,
        "prompts": None if content is None else hashlib.sha256(content.encode()).hexdigest(),
        "--openings": None if openings is None else openings.count,
        "--opening-tokens": None if openings is None else openings.tokens,
        "--template": wanted.template,
        "--responses": wanted.responses,
        "--max-new-tokens": wanted.decoding.max_new_tokens,
        "--sampling-temperature": float(wanted.decoding.sampling_temperature),
        "--top-p": float(wanted.decoding.top_p),
        "--top-k": wanted.decoding.top_k,
        "--seed": wanted.seed,
        "device": device.type,
    }


def _base(model: LanguageModel, rows: int) -> list[Assignment]:
    """The base model, for every row."""
    device = next(model.parameters()).device
    return [Assignment(torch.arange(rows, device=device), model, Injection(), torch.full((rows, 1), math.inf, device=device))]


def _openings(model: LanguageModel, wanted: Openings, template: Template, asked: Wanted) -> list[Prompt]:
    """Different texts that the model begins with, of a length that it was asked for."""
    if template.text != "none":
        raise ConfigError(f"--template {template.text!r}: openings are texts to go on from, so they take no template.")
    tokenizer = model.tokenizer
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    rows = _OPENINGS_TRIED * wanted.count
    decoding = Decoding(wanted.tokens, batch=asked.decoding.batch)
    found: dict[str, None] = {}
    for first in range(0, rows, wanted.count):
        generators = [generator_for(asked.seed, "opening", first + row) for row in range(wanted.count)]
        begun = [[int(start)]] * wanted.count
        places = ["--opening-tokens"] * wanted.count  # what their length is too much for
        ids = generated(_base(model, wanted.count), begun, decoding, generators=generators, places=places)
        whole = [row for row in ids if len(row) == wanted.tokens]
        for text in texts_after(tokenizer, [[int(start)]] * len(whole), whole):
            if len(found) < wanted.count and text.strip():
                found.setdefault(text.strip())
        if len(found) == wanted.count:
            return list(found)
    raise DataError(
        f"{asked.model}: began in {len(found)} different ways in {rows} tries, and --openings asks for {wanted.count}; "
        "ask for fewer, or for longer ones by --opening-tokens."
    )


def _read(path: Path) -> tuple[list[Prompt], list[str]]:
    """The prompts of a file, and where each stands."""
    prompts: list[Prompt] = []
    places: list[str] = []
    for place, line in prompt_lines(path):
        places.append(place)
        prompts.append(_prompt(line, place) if path.suffix in (".jsonl", ".json") else line.strip())
    if not prompts:
        raise DataError(f"{path}: holds no prompt.")
    return prompts, places


def _prompt(line: str, place: str) -> Prompt:
    """The prompt of a line of JSON."""
    return prompt_of(prompt_line(line, place, '{"prompt": "..."}')["prompt"], place)


def _place(places: Sequence[str] | None, row: int) -> str:
    return f"opening {row + 1}" if places is None else places[row]


def _written(prompts: Sequence[Prompt], partial: Partial, scorers: Mapping[str, Scorer]) -> Sampled:
    """The lists that say something, with their labels."""
    lists = partial.lists
    kept = [
        (prompt, unique)
        for prompt, responses in zip(prompts, lists, strict=True)
        if len(unique := list(dict.fromkeys(text for text in responses if text.strip()))) > 1
    ]
    if not kept:
        partial.discard()  # the same command would end the same way
        raise DataError("no list has two different responses; sample longer ones, or at a higher --sampling-temperature.")
    asked = [last_words(prompt) for prompt, responses in kept for _ in responses]
    texts = [text for _, responses in kept for text in responses]
    columns = scored(scorers, asked, texts).unbind(1)
    scores = {name: [round(value, 6) for value in column.tolist()] for name, column in zip(scorers, columns, strict=True)}
    lines, first = [], 0
    for prompt, responses in kept:
        own = slice(first, first + len(responses))
        first = own.stop
        record: dict[str, Any] = {
            "prompt": _plain(prompt),
            "responses": responses,
            "labels": {name: values[own] for name, values in scores.items()},
        }
        lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    dropped, shorter = len(lists) - len(kept), sum(map(len, lists)) - len(texts)
    means = ", ".join(f"{name} {sum(values) / len(values):.3g}" for name, values in scores.items())
    said = f"{len(kept):,} lists, {len(texts):,} responses; means: {means}."
    if shorter:
        said += (
            f" Left out: {shorter:,} responses that were empty or repeated in their list, {dropped:,} lists with fewer than two."
        )
    return Sampled("".join(lines), said)


def _plain(prompt: Prompt) -> str | list[dict[str, str]]:
    """A prompt as JSON has it."""
    return prompt if isinstance(prompt, str) else [vars(message) for message in prompt]
