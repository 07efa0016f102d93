"""A finished run of a language model, opened to generate text or to export a tradeoff."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import moft
from moft import ConfigError, DataError
from moft.api import Assignment, EncodedPrompt, Tradeoff, generator_for
from moft_llm.data.chat.messages import prompt_record
from moft_llm.generation.cpu_threads import use_threads
from moft_llm.generation.decoding import Decoding
from moft_llm.generation.generate import generate
from moft_llm.generation.model_of_policy import is_as_trained
from moft_llm.generation.prompts.prompt_requests import Request
from moft_llm.generation.texts.growing_text import GrowingText, growing_texts, response_texts
from moft_llm.task import LLM

if TYPE_CHECKING:
    from moft import OpenedRun

APPROXIMATE = (
    "A dial other than 1 is approximate in generated text: it is applied token by token, and is exact only for scores of whole "
    "responses."
)


class LLMRun:
    """A run of a language model.

    Args:
        path: the run folder.
        command: that opens it, for messages.
        threads: of the CPU; None for those of its training, or what is fast for the model.
        trust: the user trusts its plugin files now.
        opened: the run, if it is open already.

    Raises:
        ConfigError: the run is of another task.
        RunError: there is no finished run.
    """

    def __init__(
        self,
        path: Path,
        command: str,
        threads: int | None = None,
        *,
        trust: bool = False,
        opened: OpenedRun | None = None,
    ) -> None:
        self.opened = moft.open_run(path, trust=trust) if opened is None else opened
        if not isinstance(self.opened.task, LLM):
            task = self.opened.folder.resolved_config()["task"]
            name = task["name"] if isinstance(task, dict) else task
            raise ConfigError(f"{path}: a run of the task {name!r}; {command} works with runs of the task 'llm' only.")
        self.task = self.opened.task
        self.device = next(self.opened.policy.parameters()).device
        use_threads(threads, self.opened.settings.trainer.threads, self.opened.policy)

    def tradeoff(self, requests: Sequence[Request]) -> Tradeoff:
        """A row for each request.

        Raises:
            DataError: the weights or dial of a request in a file are wrong, or the policy does not support them; the message
                names the line.
            ConfigError: those of the command line are.
        """
        tradeoff = self.opened.tradeoffs([(request.weights, request.dial, request.place) for request in requests])
        rows = tradeoff.expand(len(requests)).to(self.device)
        try:
            self.opened.policy.magnitude(rows)
        except ConfigError:
            self._refuse_row(rows, requests)
            raise
        return tradeoff

    def assignments(self, tradeoff: Tradeoff) -> Sequence[Assignment]:
        """Which models and injections serve the rows of a tradeoff, without gradient."""
        with torch.no_grad():
            return self.opened.policy.assignments(tradeoff.to(self.device))

    def approximations(self, assignments: Sequence[Assignment]) -> tuple[str, ...]:
        """Notes for readers of the text that these assignments generate."""
        is_exact = all(bool((is_as_trained(assignment.divisor) | assignment.divisor.isinf()).all()) for assignment in assignments)
        return () if is_exact else (APPROXIMATE,)

    def responses(
        self,
        assignments: Sequence[Assignment],
        requests: Sequence[Request],
        decoding: Decoding,
        seed: int,
        on_text: Callable[[str], None] | None = None,
    ) -> list[str]:
        """The generated response to each prompt, which begins with the block that the prompt opens, such as `<think>`.

        Args:
            assignments: for a tradeoff with a row for each request.
            requests: prompts.
            decoding: how tokens are chosen.
            seed: of all random numbers; those of a request depend on its place among them.
            on_text: receives the response to the only prompt in pieces, as it is generated.
        """
        prompts, template = self.tokens(requests), self.task.prompt_template()
        encoded = [EncodedPrompt(tuple(tokens), template.leading_space, template.opening) for tokens in prompts]
        generators = [generator_for(seed, "generate", row) for row in range(len(prompts))]
        places = [request.place for request in requests]
        growing = growing_texts(template.tokenizer, encoded, decoding)
        if on_text is not None:
            growing = [GrowingText(template.tokenizer, encoded[0], decoding.stop, decoding.max_new_tokens, on_text)]
        tokens = generate(assignments, prompts, decoding, generators=generators, texts=growing, places=places)
        return response_texts(template.tokenizer, encoded, tokens, growing)

    def tokens(self, requests: Sequence[Request]) -> list[list[int]]:
        """The tokens of the prompts, rendered as in training."""
        template = self.task.prompt_template()
        prompts, places = [request.prompt for request in requests], [request.place for request in requests]
        return template.tokenize(template.render_all(prompts, places))

    def records(self, requests: Sequence[Request], tradeoff: Tradeoff, responses: Sequence[str]) -> list[dict[str, Any]]:
        """For each request: prompt, weights by objective, dial, response; as JSON writes them."""
        rows, names = tradeoff.expand(len(requests)), self.opened.names
        weights = [[round(value, 6) for value in row] for row in rows.weights.tolist()]
        dials = [[round(value, 6) for value in row] for row in (rows.betas / self.opened.trained_betas).tolist()]
        return [
            {
                **prompt_record(request.prompt),
                "weights": dict(zip(names, row_weights, strict=True)),
                "dial": row_dials[0] if len(set(row_dials)) == 1 else dict(zip(names, row_dials, strict=True)),
                "response": response,
            }
            for request, row_weights, row_dials, response in zip(requests, weights, dials, responses, strict=True)
        ]

    def _refuse_row(self, rows: Tradeoff, requests: Sequence[Request]) -> None:
        """Names the first request that the policy does not support."""
        for row, request in enumerate(requests):
            try:
                self.opened.policy.magnitude(rows.select(torch.tensor([row], device=self.device)))
            except ConfigError as error:
                raise DataError(f"{request.place}: {error}") from error
