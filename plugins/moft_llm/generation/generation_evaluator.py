"""Generated text: a policy samples responses to held-out prompts at each tradeoff, and scorers say what they are like."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from moft import ConfigError, DataError
from moft.api import Assignment, Batch, Count, ListValues, NonNegativeCount, Objective, Scorer, Steered, generator_for
from moft_llm.data.score_responses import scored
from moft_llm.data.text_batch import TextBatch
from moft_llm.generation.detokenize import texts_after
from moft_llm.generation.generate import Decoding, check_context, generated, log_probabilities, opened_assignment

MAIN = "minus KL (nats)"
"""What the main values are called; the divergence is from the base model, for one response."""


@dataclass(frozen=True)
class _Asked:
    """A prompt to be answered.

    Args:
        place: its column among the lists.
        index: the list in its split.
        tokens: of the prompt.
        text: as scorers read it.
        lead: what stands before its responses.
    """

    place: int
    index: int
    tokens: tuple[int, ...]
    text: str
    lead: str


class Generation:
    """Means of scorers over generated responses, per objective and prompt; the main value is minus the KL from the base model.

    Every tradeoff answers the same prompts with the same random numbers, whatever else is measured beside it, so points are
    compared pairwise. The KL divergence is estimated from what was generated: the log-probability under the policy minus that
    under the base model, in nats per response.

    Args:
        objectives: of the task.
        main: unused.
        scorers: one for each objective, by its name.
        prompts: the first so many lists of the split are answered; null for all.
        samples: responses to each prompt at each tradeoff; more narrow the intervals and cost proportionally more. 1 where
            decoding is greedy.
        decoding: how tokens are chosen.
        seed: of the draws.

    Raises:
        ConfigError: an objective has no scorer, or a scorer no objective; several samples are asked of greedy decoding.
    """

    def __init__(
        self,
        objectives: tuple[Objective, ...],
        main: Objective | None,
        *,
        scorers: dict[str, Scorer],
        prompts: Count | None = 100,
        samples: Count = 1,
        decoding: Decoding = Decoding(),  # noqa: B008 - a frozen record
        seed: NonNegativeCount = 0,
    ) -> None:
        names = [objective.name for objective in objectives]
        if set(scorers) != set(names):
            raise ConfigError(
                f"[profile.evaluator.scorers] has {', '.join(scorers) or 'none'}; the objectives are {', '.join(names)}, "
                "and each needs one of its name."
            )
        if decoding.greedy and samples > 1:
            raise ConfigError(
                f"samples: {samples} greedy responses to a prompt are all the same; set 1, or decoding.greedy: false."
            )
        self._scorers: Mapping[str, Scorer] = {name: scorers[name] for name in names}
        self._prompts, self._samples, self._decoding, self._seed = prompts, samples, decoding, seed
        how = "greedy" if decoding.greedy else f"sampled, {samples} for each prompt, beta {decoding.sampling_temperature:g}"
        meanings = "; ".join(f"{name}: {scorer.meaning}" for name, scorer in self._scorers.items())
        self.metric = f"scores of generated text ({how}, at most {decoding.max_new_tokens} tokens). {meanings}"

    def __call__(self, steered: Steered, batches: Iterable[Batch]) -> ListValues:
        return self.measure(steered, batches, lambda done: None)

    def check(self, steered: Steered, batches: Iterable[Batch]) -> None:
        _, asked, steered = self._asked(steered, batches)
        if not asked:
            return
        places = [f"prompt {one.index + 1} that is measured" for one in asked]
        try:
            for assignment in self._answers(steered, 0, len(asked)):
                model, injected = opened_assignment(assignment)
                if model.generation_fault:
                    raise ConfigError(f"[profile.evaluator] {model.generation_fault} Choose another evaluator than generation.")
                check_context(model, [one.tokens for one in asked], injected.prefix, self._decoding.max_new_tokens, places)
        except DataError as error:
            where = "[profile.evaluator.decoding.max_new_tokens]"
            raise ConfigError(f"{where} {error} A lower task.max_length shortens prompts.") from error

    def measure(self, steered: Steered, batches: Iterable[Batch], on_progress: Callable[[int], None]) -> ListValues:
        lists, asked, steered = self._asked(steered, batches)
        n = len(steered.tradeoff)
        values = torch.full((n, len(lists), len(self._scorers)), math.nan, dtype=torch.float64)
        closeness = torch.full((n, len(lists)), math.nan, dtype=torch.float64)
        for row in range(n):
            for one, scores, divergence in self._answered(steered, row, asked):
                values[row, one.place] = scores
                closeness[row, one.place] = -divergence
            on_progress(row + 1)
        return ListValues(values, closeness, lists, {"KL from the base": -closeness}, main_name=MAIN)

    def _asked(self, steered: Steered, batches: Iterable[Batch]) -> tuple[Tensor, list[_Asked], Steered]:
        """`[lists]`, every list, the prompts of those that are answered, and the policy steered where they are."""
        lists: list[int] = []
        asked: list[_Asked] = []
        for batch in batches:
            if not isinstance(batch, TextBatch):
                raise ConfigError("[profile.evaluator] generation measures language models; choose another for this task.")
            steered = Steered(steered.policy, steered.tradeoff.to(batch.reference.device))
            for row, index in enumerate(batch.lists.tolist()):
                if self._prompts is None or index < self._prompts:
                    tokens = batch.inputs["tokens"][row][batch.inputs["segments"][row] == 0]
                    asked.append(_Asked(len(lists), index, tuple(tokens.tolist()), batch.asked[row], batch.lead))
                lists.append(index)
        return torch.tensor(lists), asked, steered

    def _answers(self, steered: Steered, row: int, count: int) -> Sequence[Assignment]:
        """What serves `count` prompts, all at one tradeoff."""
        rows = torch.full((count,), row, device=steered.tradeoff.weights.device)
        with torch.no_grad():
            return steered.policy.assignments(steered.tradeoff.expand(len(steered.tradeoff)).select(rows))

    def _answered(self, steered: Steered, row: int, asked: Sequence[_Asked]) -> Iterator[tuple[_Asked, Tensor, float]]:
        """For each prompt, its scores `[m]` and its KL from the base, means over its samples, at one tradeoff."""
        copies = [one for one in asked for _ in range(self._samples)]
        if not copies:
            return
        assignments = self._answers(steered, row, len(copies))
        draws = [generator_for(self._seed, "generation", one.index, sample) for one in asked for sample in range(self._samples)]
        prompts = [one.tokens for one in copies]
        tokens = generated(
            assignments, prompts, self._decoding, generators=None if self._decoding.greedy else draws, keep_end=True
        )
        own, base = log_probabilities(assignments, prompts, tokens, batch=self._decoding.batch)
        written = texts_after(opened_assignment(assignments[0])[0].tokenizer, prompts, tokens)
        texts = [text.removeprefix(one.lead) for one, text in zip(copies, written, strict=True)]
        scores = scored(self._scorers, [one.text for one in copies], texts)  # [copies, m]
        means = scores.view(len(asked), self._samples, -1).mean(1)  # [prompts, m]
        divergence = (own - base).double().view(len(asked), self._samples).mean(1)
        yield from zip(asked, means, divergence.tolist(), strict=True)
