"""Text from policies: rows of a batch with tradeoffs of their own, and the log-probabilities of what they wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from annotated_types import Gt, Le
from torch import Generator, Tensor

from moft import ConfigError, DataError, ShapeError
from moft.api import Assignment, Count, Injection, NonNegativeCount, Positive, is_sharded
from moft_llm.network.architecture import head_of
from moft_llm.network.language_model import LanguageModel

if TYPE_CHECKING:
    from transformers.generation.streamers import BaseStreamer

_POSITIONS = 256  # whose logits are held at a time


@dataclass(frozen=True)
class Decoding:
    """How tokens are chosen.

    Args:
        max_new_tokens: at most so many for each prompt.
        greedy: the likeliest token every time; else tokens are drawn.
        sampling_temperature: logits are divided by it before a draw; below 1 is more like greedy. Not a policy's beta.
        top_k: draws among the likeliest so many; 0 for all.
        top_p: draws among the likeliest tokens that have this share of the probability together; 1 for all.
        batch: prompts at a time; a larger value is faster and takes more memory.
    """

    max_new_tokens: Count = 64
    greedy: bool = False
    sampling_temperature: Positive = 1.0
    top_k: NonNegativeCount = 0
    top_p: Annotated[float, Gt(0), Le(1)] = 1.0
    batch: Count = 32


def generated(
    assignments: Sequence[Assignment],
    prompts: Sequence[Sequence[int]],
    decoding: Decoding,
    *,
    generators: Sequence[Generator] | None = None,
    keep_end: bool = False,
    streamer: BaseStreamer | None = None,
    places: Sequence[str] | None = None,
) -> list[list[int]]:
    """The tokens that follow each prompt, up to the end of the sequence.

    A row is the same whatever stands beside it in a batch. Rows whose divisor is neither 1 nor infinite cost a forward of the
    base model for each token more.

    Args:
        answers: of a policy, for a tradeoff with a row for each prompt.
        prompts: tokens, at least one each.
        decoding: how tokens are chosen.
        generators: on the CPU, one for each prompt, unless decoding is greedy.
        keep_end: leaves the token that ended a row at its end, where there is one.
        streamer: is given the tokens of the only prompt as they come.
        places: what messages call each prompt; by default `prompt 1` and so on.

    Raises:
        ConfigError: an answer's model is no language model, cannot generate, or is changed in a way that it cannot then.
        ShapeError: prompts, rows and generators do not match.
        DataError: a prompt is empty, or it and the new tokens are longer than the model's context.
    """
    called = [f"prompt {row}" for row in range(1, len(prompts) + 1)] if places is None else places
    _check(assignments, prompts, called)
    if not decoding.greedy and (generators is None or len(generators) != len(prompts)):
        raise ShapeError(f"{len(prompts)} prompts need as many generators, one for each row.")
    found: list[list[int]] = [[] for _ in prompts]
    for assignment in assignments:
        model, injected = opened_assignment(assignment)
        if model.generation_fault:
            raise ConfigError(model.generation_fault)
        own = [prompts[row] for row in assignment.rows.tolist()]
        check_context(model, own, injected.prefix, decoding.max_new_tokens, [called[row] for row in assignment.rows.tolist()])
        divisor, ends = assignment.divisor.reshape(-1, 1).float(), _ends(model)
        with torch.no_grad(), _settled(model, ends):
            for here in _groups(divisor.flatten(), own, decoding.batch):
                rows = assignment.rows[here].tolist()
                tokens = model.opened(
                    _continued,
                    model,
                    [prompts[row] for row in rows],
                    injected.select(here),
                    divisor[here],
                    decoding,
                    None if decoding.greedy or generators is None else [generators[row] for row in rows],
                    streamer,
                )
                for row, ids in zip(rows, tokens.tolist(), strict=True):
                    length = next((i for i, token in enumerate(ids) if token in ends), None)
                    found[row] = ids if length is None else ids[: length + keep_end]
    return found


def log_probabilities(
    assignments: Sequence[Assignment], prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]], *, batch: int = 16
) -> tuple[Tensor, Tensor]:
    """`[n]` float32 twice: log-probability of each response under the policy, as it generates, and under the base model.

    Both are sums over tokens, whatever the model's own scores are; the mean of their difference over responses that the policy
    generated is an estimate of its KL divergence from the base.

    Args:
        answers: as for `generated`.
        prompts: tokens, at least one each.
        responses: tokens; one without any has probability one.
        batch: rows at a time.

    Raises:
        ConfigError: an answer's model is no language model, or changes it in a way that cannot be generated from.
        ShapeError: prompts, responses and rows do not match.
        DataError: a prompt is empty.
    """
    _check(assignments, prompts, [f"prompt {row}" for row in range(1, len(prompts) + 1)])
    if len(responses) != len(prompts):
        raise ShapeError(f"{len(prompts)} prompts need as many responses, got {len(responses)}.")
    scores = torch.zeros(2, len(prompts))
    for assignment in assignments:
        model, injected = opened_assignment(assignment)
        divisor = assignment.divisor.reshape(-1, 1).float()
        lengths = [len(prompts[row]) + len(responses[row]) for row in assignment.rows.tolist()]
        with torch.no_grad(), _settled(model, _ends(model)):
            for here in torch.split(torch.tensor(lengths, device=divisor.device).argsort(), batch):
                rows = assignment.rows[here].tolist()
                own = [(prompts[row], responses[row]) for row in rows]
                scores[:, rows] = model.opened(_scored, model, own, injected.select(here), divisor[here]).cpu()
    return scores[0], scores[1]


def opened_assignment(assignment: Assignment) -> tuple[LanguageModel, Injection]:
    """The language model of an answer, and the prefix and the gates of its k rows, the model's own prompt included.

    Raises:
        ConfigError: it is no language model, or more than a prefix and gates is injected.
    """
    model, injection, rows = assignment.model, assignment.injection, len(assignment.rows)
    if not isinstance(model, LanguageModel):
        raise ConfigError(f"{type(model).__name__} is no language model, so nothing can be generated from it.")
    if injection.modulation or injection.deltas:
        raise ConfigError("only a prefix and gates of LoRA go with what is generated; this policy changes layers in another way.")
    return model, Injection(prefix=model.opened(model.prefix, rows, injection), gates=model.gates(rows, injection))


def as_trained(divisor: Tensor) -> Tensor:
    """Where a divisor is 1, bool of the same shape: nothing of the base model is mixed in."""
    return (divisor - 1).abs() <= 1e-6


def check_context(
    model: LanguageModel, prompts: Sequence[Sequence[int]], prefix: Tensor | None, new: int, places: Sequence[str]
) -> None:
    """Nothing, when every prompt has a token, and room for a prefix and the new ones.

    Args:
        model: that generates.
        prompts: tokens of each.
        prefix: `[rows, p, hidden]`, or None.
        new: tokens to come.
        places: what messages call each prompt.

    Raises:
        DataError: a prompt is empty, or together they are longer than the model's context.
    """
    _refuse_empty(prompts, places)
    limit = getattr(model.network.config.get_text_config(), "max_position_embeddings", None)
    ahead = 0 if prefix is None else prefix.shape[1]
    for place, prompt in zip(places, prompts, strict=True):
        if limit is not None and ahead + len(prompt) + new > limit:
            whole = f"{len(prompt)} tokens of prompt{f', {ahead} of prefix' if ahead else ''} and {new} to come"
            raise DataError(f"{place}: {whole} are more than the context of {limit}; shorten it, or ask for fewer new tokens.")


def _check(assignments: Sequence[Assignment], prompts: Sequence[Sequence[int]], places: Sequence[str]) -> None:
    covered = sorted(row for assignment in assignments for row in assignment.rows.tolist())
    if covered != list(range(len(prompts))):
        raise ShapeError(f"{len(prompts)} prompts need a tradeoff of as many rows, got {len(covered)}.")
    _refuse_empty(prompts, places)


def _refuse_empty(prompts: Sequence[Sequence[int]], places: Sequence[str]) -> None:
    for place, prompt in zip(places, prompts, strict=True):
        if not prompt:
            raise DataError(f"{place}: the prompt has no tokens; give at least one.")


@contextmanager
def _settled(model: LanguageModel, ends: set[int]) -> Iterator[None]:
    """The model in eval mode, with none of the generation settings that were saved with it but where to end, within the block."""
    was, saved = model.training, model.network.generation_config
    model.network.generation_config = _settings(eos_token_id=sorted(ends), pad_token_id=int(model.tokenizer.pad_token_id))
    model.eval()
    try:
        with model.uncompiled():
            yield
    finally:
        model.train(was)
        model.network.generation_config = saved


def _groups(divisor: Tensor, prompts: Sequence[Sequence[int]], batch: int) -> Iterator[Tensor]:
    """`[k]` int64 each: places that can be generated together, prompts of like length next to each other."""
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=divisor.device)
    is_trained, is_base = as_trained(divisor), divisor.isinf()
    for chosen in (is_trained, is_base, ~is_trained & ~is_base):
        places = chosen.nonzero().squeeze(1)
        if len(places):
            yield from torch.split(places[lengths[places].argsort(stable=True)], batch)


def _continued(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    injected: Injection,
    divisor: Tensor,
    decoding: Decoding,
    generators: Sequence[Generator] | None,
    streamer: BaseStreamer | None,
) -> Tensor:
    """`[rows, steps]`, new tokens, with whatever after the end; all divisors are 1, all are infinite, or none is."""
    from transformers import LogitsProcessorList

    from moft_llm.generation.logits_processors import Agreed, Drawn, Realigned

    network: Any = model.network
    device = network.get_input_embeddings().weight.device
    tokens, mask = _left_padded(prompts, int(model.tokenizer.pad_token_id), device)
    is_base, is_trained = bool(divisor.isinf().all()), bool(as_trained(divisor).all())
    embedded, seen = _with_prefix(network.get_input_embeddings()(tokens), mask, None if is_base else injected.prefix)
    steps = LogitsProcessorList([] if is_base or is_trained else [Realigned(network, tokens, mask, divisor.to(device))])
    if generators is not None:
        draws = [torch.rand(decoding.max_new_tokens, generator=each, dtype=torch.float64) for each in generators]
        steps.extend([*_narrowed(decoding), Drawn(torch.stack(draws).to(device))])
    if is_sharded(model):
        steps.append(Agreed())
    settings = _settings(
        max_new_tokens=decoding.max_new_tokens,
        do_sample=False,  # draws are made by the last of the steps
        use_cache=True,
    )
    with model.without_adapters() if is_base else model.gated(injected.gates):
        found: Tensor = network.generate(
            inputs_embeds=embedded, attention_mask=seen, generation_config=settings, logits_processor=steps, streamer=streamer
        )
    return found


def _settings(**settings: Any) -> Any:
    """Transformers' own settings of generation."""
    from transformers import GenerationConfig

    return GenerationConfig(**settings)


def _narrowed(decoding: Decoding) -> list[Any]:
    """What changes the distribution before a draw."""
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    steps: list[Any] = []
    if decoding.sampling_temperature != 1:
        steps.append(TemperatureLogitsWarper(float(decoding.sampling_temperature)))
    if decoding.top_k:
        steps.append(TopKLogitsWarper(decoding.top_k))
    if decoding.top_p < 1:
        steps.append(TopPLogitsWarper(decoding.top_p))
    return steps


def _ends(model: LanguageModel) -> set[int]:
    """The tokens that end a response: the tokenizer's, and those that the model's own settings name."""
    named = getattr(model.network.generation_config, "eos_token_id", None)
    more = named if isinstance(named, list) else [] if named is None else [named]
    return {int(model.tokenizer.eos_token_id), *map(int, more)}


def _left_padded(prompts: Sequence[Sequence[int]], pad: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """`[rows, time]` int64 twice: the tokens, and a mask that is 0 for padding."""
    longest = max(map(len, prompts))
    tokens = [[pad] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
    mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(tokens, device=device), torch.tensor(mask, device=device)


def _with_prefix(embedded: Tensor, mask: Tensor, prefix: Tensor | None) -> tuple[Tensor, Tensor]:
    """Embeddings and mask with a prefix right before every prompt, after its padding."""
    if prefix is None:
        return embedded, mask
    ahead = prefix.shape[1]
    longer = torch.cat([torch.zeros_like(mask[:, :1]).expand(-1, ahead), mask], 1)
    starts = (longer == 0).sum(1, keepdim=True) - ahead + torch.arange(ahead, device=mask.device)  # [rows, p]
    whole = torch.cat([torch.zeros_like(embedded[:, :1]).expand(-1, ahead, -1), embedded], 1)
    whole = whole.scatter(1, starts.unsqueeze(-1).expand_as(prefix), prefix.to(whole.dtype))
    return whole, longer.scatter(1, starts, 1)


def _scored(
    model: LanguageModel, own: Sequence[tuple[Sequence[int], Sequence[int]]], injected: Injection, divisor: Tensor
) -> Tensor:
    """`[2, rows]`, log-probabilities under the policy and under the base."""
    network: Any = model.network
    words = network.get_input_embeddings()
    longest = max(len(prompt) + len(response) for prompt, response in own)
    pad = int(model.tokenizer.pad_token_id)
    ids = [[*prompt, *response] for prompt, response in own]
    tokens = torch.tensor([row + [pad] * (longest - len(row)) for row in ids], device=words.weight.device)
    pairs = [(row, at) for row, (prompt, response) in enumerate(own) for at in range(len(prompt), len(prompt) + len(response))]
    scores = torch.zeros(2, len(own), device=tokens.device)
    if not pairs:
        return scores
    rows, places = torch.tensor(pairs, device=tokens.device).unbind(1)
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
    for here in torch.split(torch.arange(len(rows), device=tokens.device), _POSITIONS):
        own_logits, base_logits = _logits(network, tuned[here]), _logits(network, base[here])
        targets = tokens[rows[here], places[here]].unsqueeze(1)
        for index, logits in enumerate((base_logits + (own_logits - base_logits) * inverse[here], base_logits)):
            scores[index].index_add_(0, rows[here], logits.log_softmax(-1).gather(1, targets).squeeze(1))
    return scores


def _logits(network: Any, hidden: Tensor) -> Tensor:
    """`[N, vocabulary]` float32, as the network gives them."""
    _, _, scale, softcap = head_of(network)
    logits: Tensor = network.get_output_embeddings()(hidden).float() * scale
    return logits if softcap is None else softcap * (logits / softcap).tanh()
