"""Generates text from policies: each prompt of a batch with a tradeoff of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor

from moft import ConfigError, ShapeError
from moft.api import Assignment, Injection, is_sharded
from moft_llm.generation.decoding import Decoding
from moft_llm.generation.model_of_policy import check_assignments, is_as_trained, unpack_assignment
from moft_llm.generation.prepare_model import end_tokens, generation_config, generation_mode
from moft_llm.generation.prompts.padded_prompts import left_padded, with_prefix
from moft_llm.generation.prompts.prompt_checks import check_context, check_not_empty
from moft_llm.network.language_model import LanguageModel

if TYPE_CHECKING:
    from moft_llm.generation.texts.growing_text import GrowingText


def generate(
    assignments: Sequence[Assignment],
    prompts: Sequence[Sequence[int]],
    decoding: Decoding,
    *,
    generators: Sequence[Generator] | None = None,
    keep_end: bool = False,
    texts: Sequence[GrowingText] | None = None,
    places: Sequence[str] | None = None,
) -> list[list[int]]:
    """The tokens that follow each prompt, up to the end of the sequence, or to where its text ends.

    The response to a prompt does not depend on the other prompts of its batch. Rows whose divisor is neither 1 nor infinite
    take one more forward pass, of the base model, for each token.

    Args:
        assignments: of a policy, for a tradeoff with a row for each prompt.
        prompts: tokens, at least one each.
        decoding: how tokens are chosen.
        generators: on the CPU, one for each prompt; not used where decoding is greedy.
        keep_end: keeps the token that ended a response.
        texts: one for each prompt, which receives its tokens as they are generated. `decoding.stop` needs them.
        places: what messages call each prompt; by default `prompt 1` and so on.

    Raises:
        ConfigError: the model of an assignment is not a language model, cannot generate, or is injected with more than a prefix
            and gates.
        ShapeError: prompts, rows and generators do not match.
        DataError: a prompt is empty, or is longer than the model's context together with the new tokens.
    """
    names = [f"prompt {row}" for row in range(1, len(prompts) + 1)] if places is None else places
    check_assignments(assignments, len(prompts))
    check_not_empty(prompts, names)
    if not decoding.greedy and (generators is None or len(generators) != len(prompts)):
        raise ShapeError(f"{len(prompts)} prompts need as many generators, one for each row.")
    if texts is None and decoding.stop:
        raise ShapeError("texts that end a response are found in `texts`; give one for each prompt.")
    responses: list[list[int]] = [[] for _ in prompts]
    for assignment in assignments:
        model, injected = unpack_assignment(assignment)
        if model.generation_fault:
            raise ConfigError(model.generation_fault)
        assigned = assignment.rows.tolist()
        own = [prompts[row] for row in assigned]
        check_context(model, own, injected.prefix, decoding.max_new_tokens, [names[row] for row in assigned])
        divisor, ends = assignment.divisor.reshape(-1, 1).float(), end_tokens(model)
        with torch.no_grad(), generation_mode(model):
            for group in _groups(divisor.flatten(), own, decoding.batch):
                rows = assignment.rows[group].tolist()
                tokens = model.opened(
                    _generate_batch,
                    model,
                    [prompts[row] for row in rows],
                    injected.select(group),
                    divisor[group],
                    decoding,
                    None if decoding.greedy or generators is None else [generators[row] for row in rows],
                    None if texts is None else [texts[row] for row in rows],
                )
                for row, ids in zip(rows, tokens.tolist(), strict=True):
                    end = next((i for i, token in enumerate(ids) if token in ends), len(ids))
                    responses[row] = ids[: end + keep_end]
                    if texts is not None:  # after a text that ended the response there is padding
                        responses[row] = ids[: len(texts[row].tokens) + (keep_end and texts[row].is_ended_by_token)]
    return responses


def _groups(divisor: Tensor, prompts: Sequence[Sequence[int]], batch: int) -> Iterator[Tensor]:
    """`[k]` int64 each: places that can be generated together, prompts of similar length next to each other."""
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=divisor.device)
    is_trained, is_base = is_as_trained(divisor), divisor.isinf()
    for chosen in (is_trained, is_base, ~is_trained & ~is_base):
        places = chosen.nonzero().squeeze(1)
        if len(places):
            yield from torch.split(places[lengths[places].argsort(stable=True)], batch)


def _generate_batch(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    injected: Injection,
    divisor: Tensor,
    decoding: Decoding,
    generators: Sequence[Generator] | None,
    texts: Sequence[GrowingText] | None,
) -> Tensor:
    """`[rows, steps]`, new tokens, with anything after the end; all divisors are 1, all are infinite, or none is."""
    from transformers import LogitsProcessorList, StoppingCriteriaList

    from moft_llm.generation.logits_processors import (
        RealignedLogits,
        SameTokenEverywhere,
        SeededDraws,
        TokensOfTokenizer,
        sampling_warpers,
    )
    from moft_llm.generation.texts.stopping_criteria import GrowingTexts
    from moft_llm.generation.token_penalties import Penalties, has_penalties

    network: Any = model.network
    sampling, ends = decoding.sampling(), end_tokens(model)
    device = network.get_input_embeddings().weight.device
    tokens, mask = left_padded(prompts, int(model.tokenizer.pad_token_id), device)
    is_base, is_trained = bool(divisor.isinf().all()), bool(is_as_trained(divisor).all())
    embedded, mask_with_prefix = with_prefix(network.get_input_embeddings()(tokens), mask, None if is_base else injected.prefix)
    processors = LogitsProcessorList(
        [] if is_base or is_trained else [RealignedLogits(network, tokens, mask, divisor.to(device))]
    )
    if model.unused_rows is not None:
        processors.append(TokensOfTokenizer(model.unused_rows.to(device)))
    if has_penalties(sampling):
        processors.append(Penalties(prompts, sampling, ends))
    if generators is not None:
        draws = [torch.rand(decoding.max_new_tokens, generator=one, dtype=torch.float64) for one in generators]
        processors.extend([*sampling_warpers(sampling, device), SeededDraws(torch.stack(draws).to(device))])
    if is_sharded(model):
        processors.append(SameTokenEverywhere())
    settings = generation_config(
        max_new_tokens=decoding.max_new_tokens,
        do_sample=False,  # `SeededDraws` samples
        use_cache=True,
    )
    with model.without_adapters() if is_base else model.gated(injected.gates):
        new_tokens: Tensor = network.generate(
            inputs_embeds=embedded,
            attention_mask=mask_with_prefix,
            generation_config=settings,
            logits_processor=processors,
            stopping_criteria=StoppingCriteriaList([] if texts is None else [GrowingTexts(texts, ends)]),
        )
    return new_tokens
