"""Log-probabilities of responses under a policy and under its base model, from which the KL divergence is estimated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from moft import ShapeError
from moft.api import Assignment, Injection
from moft_llm.generation.model_of_policy import check_assignments, unpack_assignment
from moft_llm.generation.prepare_model import generation_mode
from moft_llm.generation.prompts.prompt_checks import check_not_empty
from moft_llm.network.architecture import lm_head_of
from moft_llm.network.language_model import LanguageModel

_POSITIONS = 256  # whose logits are in memory at a time


def log_probabilities(
    assignments: Sequence[Assignment], prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]], *, batch: int = 16
) -> tuple[Tensor, Tensor]:
    """`[n]` float32 twice: log-probability of each response under the policy, as it generates, and under the base model.

    Both are sums over tokens, whatever the scores of the model are. The mean of their difference over responses that the policy
    generated is an estimate of its KL divergence from the base model.

    Args:
        assignments: as for `generate`.
        prompts: tokens, at least one each.
        responses: tokens; an empty response has probability one.
        batch: rows at a time.

    Raises:
        ConfigError: the model of an assignment is not a language model, or is injected with more than a prefix and gates.
        ShapeError: prompts, responses and rows do not match.
        DataError: a prompt is empty.
    """
    check_assignments(assignments, len(prompts))
    check_not_empty(prompts, [f"prompt {row}" for row in range(1, len(prompts) + 1)])
    if len(responses) != len(prompts):
        raise ShapeError(f"{len(prompts)} prompts need as many responses, got {len(responses)}.")
    scores = torch.zeros(2, len(prompts))
    for assignment in assignments:
        model, injected = unpack_assignment(assignment)
        divisor = assignment.divisor.reshape(-1, 1).float()
        lengths = [len(prompts[row]) + len(responses[row]) for row in assignment.rows.tolist()]
        with torch.no_grad(), generation_mode(model):
            for group in torch.split(torch.tensor(lengths, device=divisor.device).argsort(), batch):
                rows = assignment.rows[group].tolist()
                pairs = [(prompts[row], responses[row]) for row in rows]
                scores[:, rows] = model.opened(_score_batch, model, pairs, injected.select(group), divisor[group]).cpu()
    return scores[0], scores[1]


def _score_batch(
    model: LanguageModel, pairs: Sequence[tuple[Sequence[int], Sequence[int]]], injected: Injection, divisor: Tensor
) -> Tensor:
    """`[2, rows]`, log-probabilities under the policy and under the base model."""
    network: Any = model.network
    words = network.get_input_embeddings()
    longest = max(len(prompt) + len(response) for prompt, response in pairs)
    pad = int(model.tokenizer.pad_token_id)
    ids = [[*prompt, *response] for prompt, response in pairs]
    tokens = torch.tensor([row + [pad] * (longest - len(row)) for row in ids], device=words.weight.device)
    targets = [
        (row, place) for row, (prompt, response) in enumerate(pairs) for place in range(len(prompt), len(prompt) + len(response))
    ]
    scores = torch.zeros(2, len(pairs), device=tokens.device)
    if not targets:
        return scores
    rows, places = torch.tensor(targets, device=tokens.device).unbind(1)  # [N] each
    embedded = words(tokens)
    decoder = network.get_decoder()
    prefix = injected.prefix
    ahead = 0 if prefix is None else prefix.shape[1]
    whole = embedded if prefix is None else torch.cat([prefix.to(embedded.dtype), embedded], 1)
    with model.gated(injected.gates):
        tuned = decoder(inputs_embeds=whole, use_cache=False).last_hidden_state[rows, places + ahead - 1]  # [N, hidden]
    with model.without_adapters():
        base = decoder(inputs_embeds=embedded, use_cache=False).last_hidden_state[rows, places - 1]  # [N, hidden]
    inverse = divisor.to(tokens.device)[rows].reciprocal()  # [N, 1], 0 where the divisor is infinite
    for chunk in torch.split(torch.arange(len(rows), device=tokens.device), _POSITIONS):
        tuned_logits, base_logits = _logits(network, tuned[chunk]), _logits(network, base[chunk])
        chosen = tokens[rows[chunk], places[chunk]].unsqueeze(1)
        for index, logits in enumerate((base_logits + (tuned_logits - base_logits) * inverse[chunk], base_logits)):
            scores[index].index_add_(0, rows[chunk], logits.log_softmax(-1).gather(1, chosen).squeeze(1))
    return scores


def _logits(network: Any, hidden: Tensor) -> Tensor:
    """`[N, vocabulary]` float32, as the network computes them."""
    _, _, scale, softcap = lm_head_of(network)
    logits: Tensor = network.get_output_embeddings()(hidden).float() * scale
    return logits if softcap is None else softcap * (logits / softcap).tanh()
