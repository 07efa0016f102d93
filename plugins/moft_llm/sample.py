"""Lists to train on, made from a model: sampled responses, labelled by scorers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from moft import ConfigError, DataError, cache_folder
from moft.api import Answer, Injection, Plugins, Scorer, component, generator_for, read_value
from moft_llm.contract import Message, Prompt, prompt_line, prompt_of
from moft_llm.generate import Decoding, generated
from moft_llm.loading import load_model
from moft_llm.model import LanguageModel
from moft_llm.templates import Template
from moft_llm.texts import texts_after

_BATCHES_TOLD = 8  # between two lines of progress
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


def sampled(wanted: Wanted, scorers: Mapping[str, Scorer], *, tell: Callable[[str], None]) -> Sampled:
    """Samples responses and labels them; lists whose responses are all the same are left out, and so are repeated responses.

    Args:
        wanted: what.
        scorers: by the name of their objective.
        tell: is called with progress, a line at a time.

    Raises:
        DataError: the model or the prompts cannot be read, or nothing is left.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    base, tokenizer = load_model(wanted.model, gguf=wanted.gguf, device=device, cache=cache_folder())
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
    if isinstance(wanted.prompts, Openings):
        prompts, places = _openings(model, wanted.prompts, template, wanted), None
    else:
        prompts, places = _read(wanted.prompts)
    rendered = [template.rendered(prompt, _place(places, row)) for row, prompt in enumerate(prompts)]
    asked = [ids for ids in template.tokens(rendered) for _ in range(wanted.responses)]
    called = [_place(places, row) for row in range(len(prompts)) for _ in range(wanted.responses)]
    tell(f"{len(prompts):,} prompts, {len(asked):,} responses of at most {wanted.decoding.max_new_tokens} tokens.")
    generators = [generator_for(wanted.seed, "sample", *divmod(row, wanted.responses)) for row in range(len(asked))]
    ids: list[list[int]] = []
    for first in range(0, len(asked), step := _BATCHES_TOLD * wanted.decoding.batch):
        part = slice(first, first + step)
        rows = len(asked[part])
        ids += generated(_base(model, rows), asked[part], wanted.decoding, generators=generators[part], places=called[part])
        if len(ids) < len(asked):
            tell(f"{len(ids):,} of {len(asked):,} responses.")
    texts = [text.removeprefix(template.lead) for text in texts_after(tokenizer, asked, ids)]
    lists = [texts[start : start + wanted.responses] for start in range(0, len(texts), wanted.responses)]
    return _written(prompts, lists, scorers)


def _base(model: LanguageModel, rows: int) -> list[Answer]:
    """The base model, for every row."""
    device = next(model.parameters()).device
    return [Answer(torch.arange(rows, device=device), model, Injection(), torch.full((rows, 1), math.inf, device=device))]


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
        ids = generated(_base(model, wanted.count), begun, decoding, generators=generators)
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
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
    prompts: list[Prompt] = []
    places: list[str] = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            places.append(f"{path}:{number}")
            prompts.append(_prompt(line, places[-1]) if path.suffix in (".jsonl", ".json") else line.strip())
    if not prompts:
        raise DataError(f"{path}: holds no prompt.")
    return prompts, places


def _prompt(line: str, place: str) -> Prompt:
    """The prompt of a line of JSON."""
    return prompt_of(prompt_line(line, place, '{"prompt": "..."}')["prompt"], place)


def _place(places: Sequence[str] | None, row: int) -> str:
    return f"opening {row + 1}" if places is None else places[row]


def _written(prompts: Sequence[Prompt], lists: Sequence[Sequence[str]], scorers: Mapping[str, Scorer]) -> Sampled:
    """The lists that say something, with their labels."""
    kept = [
        (prompt, unique)
        for prompt, responses in zip(prompts, lists, strict=True)
        if len(unique := list(dict.fromkeys(text for text in responses if text.strip()))) > 1
    ]
    if not kept:
        raise DataError("no list has two different responses; sample longer ones, or at a higher --sampling-temperature.")
    asked = [_text(prompt) for prompt, responses in kept for _ in responses]
    texts = [text for _, responses in kept for text in responses]
    scores = {name: [round(value, 6) for value in scorer(asked, texts).tolist()] for name, scorer in scorers.items()}
    lines, first = [], 0
    for prompt, responses in kept:
        own = slice(first, first + len(responses))
        first = own.stop
        record: dict[str, Any] = {
            "prompt": prompt if isinstance(prompt, str) else [vars(message) for message in prompt],
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


def _text(prompt: Prompt) -> str:
    """A prompt as scorers read it: the last message of a chat."""
    return prompt if isinstance(prompt, str) else _last(prompt)


def _last(messages: Sequence[Message]) -> str:
    return messages[-1].content
