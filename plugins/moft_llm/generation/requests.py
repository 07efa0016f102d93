"""What `moft generate` is asked for: prompts and tradeoffs from the command line and from files, and what is generated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import moft
from moft import ConfigError, DataError
from moft.api import Assignment, Tradeoff, generator_for, new_name
from moft_llm.data.example import Prompt, prompt_line, prompt_lines, prompt_of
from moft_llm.generation.detokenize import texts_after
from moft_llm.generation.generate import Decoding, as_trained, generated
from moft_llm.task import LLM

APPROXIMATE = (
    "Betas are approximate when text is generated: what is exact for the score of a whole response is done token by token."
)
_FORM = '{"prompt": "...", "weights": [0.2, 0.8], "dial": 1}'


@dataclass(frozen=True)
class Request:
    """One prompt and what it is to be answered at.

    Args:
        prompt: text or messages.
        weights: as JSON has them, or text as on the command line.
        dial: times the trained ones, likewise.
        place: file and line, for messages.
    """

    prompt: Prompt
    weights: Any
    dial: Any
    place: str


class Steerable:
    """A run of a language model, opened to generate.

    Args:
        path: the run folder.
        command: that asks, for messages.

    Raises:
        ConfigError: the run is of another task.
        RunError: there is no finished run.
    """

    def __init__(self, path: Path, command: str) -> None:
        self.opened = moft.open_run(path)
        if not isinstance(self.opened.task, LLM):
            task = self.opened.folder.resolved_config()["task"]
            name = task["name"] if isinstance(task, dict) else task
            raise ConfigError(f"{path}: is a run of the task {name!r}; {command} works with runs of 'llm' only.")
        self.task = self.opened.task
        self.device = next(self.opened.policy.parameters()).device

    def tradeoff(self, requests: Sequence[Request]) -> Tradeoff:
        """A row for each request.

        Raises:
            DataError: weights or dial of a file are wrong, or ones that the policy has no answer to; the message names the
                line.
            ConfigError: those of the command line are.
        """
        tradeoff = self.opened.tradeoffs([(request.weights, request.dial, request.place) for request in requests])
        whole = tradeoff.expand(len(requests)).to(self.device)
        try:
            self.opened.policy.magnitude(whole)
        except ConfigError:
            self._refuse_row(whole, requests)
            raise
        return tradeoff

    def _refuse_row(self, whole: Tradeoff, requests: Sequence[Request]) -> None:
        """Names the first request that the policy has no answer to."""
        for row, request in enumerate(requests):
            try:
                self.opened.policy.magnitude(whole.select(torch.tensor([row], device=self.device)))
            except ConfigError as error:
                raise DataError(f"{request.place}: {error}") from error

    def assignments(self, tradeoff: Tradeoff) -> Sequence[Assignment]:
        """Which models and prefixes serve the rows of a tradeoff, without gradient."""
        with torch.no_grad():
            return self.opened.policy.assignments(tradeoff.to(self.device))

    def approximations(self, assignments: Sequence[Assignment]) -> tuple[str, ...]:
        """What a reader has to know of the text that these answers generate."""
        exact = all(bool((as_trained(assignment.divisor) | assignment.divisor.isinf()).all()) for assignment in assignments)
        return () if exact else (APPROXIMATE,)

    def streamer(self) -> Any:
        """Prints the words of one prompt's response as they come."""
        from transformers import TextStreamer

        return TextStreamer(self.task.prompting().tokenizer, skip_prompt=True, skip_special_tokens=True)

    def records(self, requests: Sequence[Request], tradeoff: Tradeoff, texts: Sequence[str]) -> list[dict[str, Any]]:
        """What was asked and what came of it: prompt, weights by objective, times the trained betas, response."""
        whole, names = tradeoff.expand(len(requests)), self.opened.names
        weights = [[round(value, 6) for value in row] for row in whole.weights.tolist()]
        factors = [[round(value, 6) for value in row] for row in (whole.betas / self.opened.trained_betas).tolist()]
        return [
            {
                "prompt": prompt if isinstance(prompt := request.prompt, str) else [vars(message) for message in prompt],
                "weights": dict(zip(names, own, strict=True)),
                "dial": times[0] if len(set(times)) == 1 else dict(zip(names, times, strict=True)),
                "response": text,
            }
            for request, own, times, text in zip(requests, weights, factors, texts, strict=True)
        ]

    def tokens(self, requests: Sequence[Request]) -> list[list[int]]:
        """The tokens of the prompts, rendered as in training."""
        template = self.task.prompting()
        return template.tokens([template.rendered(request.prompt, request.place) for request in requests])

    def texts(
        self, assignments: Sequence[Assignment], requests: Sequence[Request], decoding: Decoding, seed: int, streamer: Any = None
    ) -> list[str]:
        """What follows each prompt.

        Args:
            answers: for a tradeoff with a row for each request.
            requests: prompts.
            decoding: how tokens are chosen.
            seed: of all draws; a row's are its own, by its place.
            streamer: is given the tokens of the only prompt as they come.
        """
        prompts, template = self.tokens(requests), self.task.prompting()
        generators = [generator_for(seed, "generate", row) for row in range(len(prompts))]
        places = [request.place for request in requests]
        found = generated(assignments, prompts, decoding, generators=generators, streamer=streamer, places=places)
        return [text.removeprefix(template.lead) for text in texts_after(template.tokenizer, prompts, found)]


def requests_of(path: Path, weights: str | None, dial: str) -> list[Request]:
    """The requests of a file of JSON lines.

    Args:
        path: of the file.
        weights: text, for lines that have none.
        dial: text, for lines that have none.

    Raises:
        DataError: a line is malformed, or nothing says its weights; the message names it.
    """
    requests, defaults = [], {"weights": weights, "dial": dial}
    for place, line in prompt_lines(path):
        entry = prompt_line(line, place, _FORM)
        unknown = sorted(set(entry) - {"prompt", "weights", "dial"})
        if unknown:
            reason = f"now called {new!r}" if (new := new_name("prompt key", unknown[0])) else "not known"
            raise DataError(f"{place}: {unknown[0]!r} is {reason}; a line is {_FORM}.")
        for name in ("weights", "dial"):
            if isinstance(entry.get(name), str):
                raise DataError(f"{place}: {name} {entry[name]!r} is text; give numbers, in a list or by objective.")
        if entry.get("weights") is None and weights is None:
            raise DataError(f"{place}: has no weights; give them there, or by --weights for every line that has none.")
        asked = {name: default if entry.get(name) is None else entry[name] for name, default in defaults.items()}
        requests.append(Request(prompt_of(entry["prompt"], place), asked["weights"], asked["dial"], place))
    if not requests:
        raise DataError(f"{path}: holds no prompt; a line is {_FORM}.")
    return requests
