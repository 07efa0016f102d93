"""The evaluator `generation`: a policy generates responses to held-out prompts, and scorers rate them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from moft import ConfigError, DataError
from moft.api import (
    Assignment,
    Batch,
    Count,
    Draws,
    EncodedPrompt,
    ListValues,
    Objective,
    Scorer,
    Seed,
    Steered,
    generator_for,
)
from moft_llm.data.score_responses import score_responses
from moft_llm.data.text_batch import TextBatch
from moft_llm.generation.decoding import Decoding
from moft_llm.generation.generate import generate
from moft_llm.generation.log_probabilities import log_probabilities
from moft_llm.generation.model_of_policy import unpack_assignment
from moft_llm.generation.prepare_model import end_tokens
from moft_llm.generation.prompts.prompt_checks import check_context
from moft_llm.generation.texts.growing_text import growing_texts, response_texts

MAIN = "minus KL (nats)"
"""Name of the main values: the KL divergence from the base model, per response."""


@dataclass(frozen=True)
class _HeldOutPrompt:
    """A prompt to respond to.

    Args:
        place: its column among the lists.
        index: of its list in the split.
        encoded: its tokens, and how its responses begin.
        text: as scorers read it.
    """

    place: int
    index: int
    encoded: EncodedPrompt
    text: str


class Generation:
    """Means of scorers over generated responses, per objective and prompt; the main value is minus the KL from the base model.

    Every tradeoff responds to the same prompts with the same random numbers, so points can be compared pairwise. The KL
    divergence is estimated from the generated responses: log-probability under the policy minus that under the base model, in
    nats per response.

    Args:
        objectives: of the task.
        main: unused.
        scorers: one for each objective, by its name.
        prompts: how many of the split are used, the first ones; null for all.
        samples: responses to each prompt at each tradeoff. More narrow the intervals, and cost proportionally more. Must be 1
            where decoding is greedy.
        decoding: how tokens are chosen.
        seed: of sampling.

    Raises:
        ConfigError: scorers and objectives do not have the same names, or there are several samples of greedy decoding.
    """

    def __init__(
        self,
        objectives: tuple[Objective, ...],
        main: Objective | None,
        *,
        scorers: dict[str, Scorer],
        prompts: Count | None = 100,
        samples: Draws = 1,
        decoding: Decoding = Decoding(),  # noqa: B008 - a frozen record
        seed: Seed = 0,
    ) -> None:
        names = [objective.name for objective in objectives]
        if set(scorers) != set(names):
            raise ConfigError(
                f"[profile.evaluator.scorers] has {', '.join(scorers) or 'none'}, but needs one for each objective: "
                f"{', '.join(names)}."
            )
        if decoding.greedy and samples > 1:
            raise ConfigError(
                f"samples: {samples} greedy responses to a prompt would be identical. Set samples: 1, or decoding.greedy: false."
            )
        self._scorers: Mapping[str, Scorer] = {name: scorers[name] for name in names}
        self._prompts, self._samples, self._decoding, self._seed = prompts, samples, decoding, seed
        how = (
            "greedy"
            if decoding.greedy
            else f"sampled, {samples} per prompt, sampling temperature {decoding.sampling_temperature:g}"
        )
        meanings = "; ".join(f"{name}: {scorer.meaning}" for name, scorer in self._scorers.items())
        limits = "".join(f", {name} {value}" for name, value in decoding.limits.items())
        self.metric = f"scores of generated text ({how}, at most {decoding.max_new_tokens} tokens{limits}). {meanings}"

    def __call__(self, steered: Steered, batches: Iterable[Batch]) -> ListValues:
        return self.measure(steered, batches, lambda done: None)

    def check(self, steered: Steered, batches: Iterable[Batch]) -> None:
        _, prompts, steered = self._prompts_of(steered, batches)
        if not prompts:
            return
        places = [f"prompt {prompt.index + 1} of the measured split" for prompt in prompts]
        try:
            for assignment in self._assignments(steered, 0, len(prompts)):
                model, injected = unpack_assignment(assignment)
                if model.generation_fault:
                    raise ConfigError(f"[profile.evaluator] {model.generation_fault} Choose an evaluator other than generation.")
                check_context(
                    model, [one.encoded.tokens for one in prompts], injected.prefix, self._decoding.max_new_tokens, places
                )
        except DataError as error:
            where = "[profile.evaluator.decoding.max_new_tokens]"
            raise ConfigError(f"{where} {error} A lower task.max_length also shortens prompts.") from error

    def measure(self, steered: Steered, batches: Iterable[Batch], on_progress: Callable[[int], None]) -> ListValues:
        lists, prompts, steered = self._prompts_of(steered, batches)
        n = len(steered.tradeoff)
        values = torch.full((n, len(lists), len(self._scorers)), math.nan, dtype=torch.float64)
        closeness = torch.full((n, len(lists)), math.nan, dtype=torch.float64)
        for row in range(n):
            for prompt, scores, divergence in self._score_responses(steered, row, prompts):
                values[row, prompt.place] = scores
                closeness[row, prompt.place] = -divergence
            on_progress(row + 1)
        return ListValues(values, closeness, lists, {"KL from the base": -closeness}, main_name=MAIN)

    def _prompts_of(self, steered: Steered, batches: Iterable[Batch]) -> tuple[Tensor, list[_HeldOutPrompt], Steered]:
        """`[lists]`, the numbers of all lists; the prompts to use; the policy steered on their device."""
        lists: list[int] = []
        prompts: list[_HeldOutPrompt] = []
        for batch in batches:
            if not isinstance(batch, TextBatch):
                raise ConfigError(
                    "[profile.evaluator] generation measures language models only. Choose another evaluator for this task."
                )
            steered = Steered(steered.policy, steered.tradeoff.to(batch.reference.device))
            for row, index in enumerate(batch.lists.tolist()):
                if self._prompts is None or index < self._prompts:
                    tokens = batch.inputs["tokens"][row][batch.inputs["segments"][row] == 0]
                    text, place = batch.scorer_prompts[row], len(lists)
                    encoded = EncodedPrompt(tuple(tokens.tolist()), batch.leading_space, batch.opening)
                    prompts.append(_HeldOutPrompt(place, index, encoded, text))
                lists.append(index)
        return torch.tensor(lists), prompts, steered

    def _assignments(self, steered: Steered, row: int, count: int) -> Sequence[Assignment]:
        """What serves `count` prompts at one tradeoff."""
        rows = torch.full((count,), row, device=steered.tradeoff.weights.device)
        with torch.no_grad():
            return steered.policy.assignments(steered.tradeoff.expand(len(steered.tradeoff)).select(rows))

    def _score_responses(
        self, steered: Steered, row: int, prompts: Sequence[_HeldOutPrompt]
    ) -> Iterator[tuple[_HeldOutPrompt, Tensor, float]]:
        """For each prompt, its scores `[m]` and its KL from the base model, means over its samples, at one tradeoff."""
        copies = [prompt for prompt in prompts for _ in range(self._samples)]
        if not copies:
            return
        assignments = self._assignments(steered, row, len(copies))
        generators = [
            generator_for(self._seed, "generation", prompt.index, sample) for prompt in prompts for sample in range(self._samples)
        ]
        encoded = [prompt.encoded for prompt in copies]
        tokens = [prompt.tokens for prompt in encoded]
        model = unpack_assignment(assignments[0])[0]
        growing = growing_texts(model.tokenizer, encoded, self._decoding)
        drawn = None if self._decoding.greedy else generators
        responses = generate(assignments, tokens, self._decoding, generators=drawn, keep_end=True, texts=growing)
        under_policy, under_base = log_probabilities(assignments, tokens, responses, batch=self._decoding.batch)
        ends = end_tokens(model)
        whole = [row[:-1] if row and row[-1] in ends else row for row in responses]
        texts = response_texts(model.tokenizer, encoded, whole, growing)
        scores = score_responses(self._scorers, [prompt.text for prompt in copies], texts)  # [copies, m]
        means = scores.view(len(prompts), self._samples, -1).mean(1)  # [prompts, m]
        divergence = (under_policy - under_base).double().view(len(prompts), self._samples).mean(1)  # [prompts]
        yield from zip(prompts, means, divergence.tolist(), strict=True)
