"""The rows that one model generates now: each at its own weights and dial, joining and leaving between steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from moft import RunError
from moft.api import Injection
from moft_llm.generation.logits_processors import TokensOfTokenizer, realigned
from moft_llm.generation.prepare_model import end_tokens
from moft_llm.network.language_model import LanguageModel
from moft_llm.serving.cached_rows import CachedRows
from moft_llm.serving.row import Row
from moft_llm.serving.token_choice import choose_tokens
from moft_llm.serving.token_scores import TokenScores


class RunningBatch:
    """Rows of one model.

    Rows at a dial are read twice: under the policy, and by the base model alone.

    Args:
        model: that generates.
        scores: reports log-probabilities.
    """

    def __init__(self, model: LanguageModel, scores: TokenScores) -> None:
        self.model = model
        self.rows: list[Row] = []
        self._scores, self._ends = scores, end_tokens(model)
        self._device = model.network.get_input_embeddings().weight.device
        self._policy: CachedRows | None = None
        self._base: CachedRows | None = None

    def begin(self, rows: Sequence[Row]) -> None:
        """Reads the prompts of the first rows, and generates the first token of each."""
        policy, base = self._begun(rows, is_base=False), self._begun(rows, is_base=True)
        self._policy, self._base = (None if begun is None else begun[0] for begun in (policy, base))
        self.rows = list(rows)
        self._take(_mixed(rows, *(None if begun is None else begun[1] for begun in (policy, base))))

    def join(self, others: RunningBatch) -> None:
        """Adds the rows of another batch of the model, which is not used any more."""
        self._policy = _joined_rows(self._policy, others._policy)
        self._base = _joined_rows(self._base, others._base)
        self.rows = [*self.rows, *others.rows]

    def step(self) -> None:
        """Generates one token of each row."""
        last = torch.tensor([row.tokens[-1] for row in self.rows], device=self._device)
        policy = None if self._policy is None else self._policy.step(last[_places(self.rows, _by_policy)])
        base = None if self._base is None else self._base.step(last[_places(self.rows, _by_base)])
        self._take(_mixed(self.rows, policy, base))

    def drop(self) -> None:
        """Frees the places of rows that are over."""
        kept = [row for row in self.rows if not row.is_over]
        if len(kept) < len(self.rows):
            self._policy = _kept(self._policy, [row for row in self.rows if _by_policy(row)], kept)
            self._base = _kept(self._base, [row for row in self.rows if _by_base(row)], kept)
            self.rows = kept

    def _begun(self, rows: Sequence[Row], *, is_base: bool) -> tuple[CachedRows, Tensor] | None:
        """Rows after their prompts, and their logits; a prompt that several texts of one question follow is read once."""
        rows = [row for row in rows if (_by_base(row) if is_base else _by_policy(row))]
        if not rows:
            return None
        keys = [(row.request.prompt.tokens, None if is_base else id(row.conditioned)) for row in rows]
        firsts = {key: rows[keys.index(key)] for key in dict.fromkeys(keys)}
        cached = CachedRows(self.model, is_base=is_base)
        prompts = [row.request.prompt.tokens for row in firsts.values()]
        injected = Injection() if is_base else _joined([row.conditioned.injected for row in firsts.values()])
        logits = cached.begin(prompts, injected)
        places = [list(firsts).index(key) for key in keys]
        cached.select(places)
        return cached, logits[places]

    def _take(self, logits: Tensor) -> None:
        """Gives each row its next token."""
        if self.model.unused_rows is not None:
            none = torch.empty(0, dtype=torch.long)
            logits = TokensOfTokenizer(self.model.unused_rows.to(logits.device))(none, logits)
        broken = logits.isnan().any(-1)
        logits = logits.masked_fill(broken.unsqueeze(1), 0.0)  # so that the other rows go on
        is_broken = broken.tolist()
        for place, (row, token) in enumerate(zip(self.rows, choose_tokens(logits, self.rows, self._ends), strict=True)):
            if is_broken[place]:
                row.fail(RunError("the model computes no number at these weights and this dial; use a dial nearer to 1."))
                continue
            asked = row.request.logprobs
            scores = None if asked is None or token in self._ends else self._scores.at(logits[place], token, asked)
            row.take(token, self._ends, scores)


def _by_policy(row: Row) -> bool:
    return not row.conditioned.is_base


def _by_base(row: Row) -> bool:
    return not row.conditioned.is_trained


def _places(rows: Sequence[Row], reads: Callable[[Row], bool]) -> list[int]:
    return [place for place, row in enumerate(rows) if reads(row)]


def _joined_rows(own: CachedRows | None, others: CachedRows | None) -> CachedRows | None:
    if own is not None and others is not None:
        own.join(others)
    return others if own is None else own


def _kept(cached: CachedRows | None, rows: Sequence[Row], kept: Sequence[Row]) -> CachedRows | None:
    """Those of the rows that are kept; None where there are none."""
    places = [place for place, row in enumerate(rows) if row in kept]
    if cached is not None and places:
        cached.select(places)
    return cached if places else None


def _joined(injections: Sequence[Injection]) -> Injection:
    """One injection with the rows of several, which have the same slots."""
    prefixes = [one.prefix for one in injections if one.prefix is not None]
    gates = {layer: torch.cat([one.gates[layer] for one in injections]) for layer in injections[0].gates}
    return Injection(prefix=torch.cat(prefixes) if prefixes else None, gates=gates)


def _mixed(rows: Sequence[Row], policy: Tensor | None, base: Tensor | None) -> Tensor:
    """`[rows, vocabulary]` float32, the logits at the dial of each row; one of the two is there.

    Args:
        rows: of the batch.
        policy: the policy's logits, of the rows that are not of the base model alone.
        base: the base model's logits, of the rows whose dial needs them.
    """
    if base is None or policy is None:
        return base if policy is None else policy  # type: ignore[return-value]
    mixed = base.new_empty(len(rows), base.shape[1])
    mixed[_places(rows, _by_policy)] = policy
    places = _places(rows, _by_base)
    divisors = base.new_tensor([rows[place].conditioned.divisor for place in places]).unsqueeze(1)
    mixed[places] = torch.where(divisors.isinf(), base, realigned(mixed[places], base, divisors))
    return mixed
