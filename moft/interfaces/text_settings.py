"""How a text is generated, as users set it: for a call in Python, a command, or an evaluator in a config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, fields
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen

from moft.errors import ConfigError
from moft.interfaces.text_engine import TokenSampling
from moft.setting_types import Count, NonNegativeCount, Positive

StopString = Annotated[str, MinLen(1), MaxLen(200)]
Share = Annotated[float, Gt(0), Le(1)]
Penalty = Annotated[float, Ge(-2), Le(2)]


@dataclass(frozen=True)
class TextSettings:
    """How the tokens of a text are chosen, and what ends it.

    Args:
        max_new_tokens: the most tokens of a response.
        greedy: always takes the most likely token; else tokens are sampled.
        sampling_temperature: logits are divided by it before sampling; below 1 is closer to greedy. Not the dial of a policy.
        top_k: samples among this many most likely tokens; 0 for all.
        top_p: samples among the most likely tokens whose probabilities sum to this; 1 for all.
        stop: up to 16 texts that end the response, and are no part of it.
        min_new_tokens: no token ends the response before it has as many; a text of `stop` still does.
        repetition_penalty: divides the positive logits of the tokens of prompt and response, and multiplies the negative ones.
        presence_penalty: taken from the logit of every token that the response has already.
        frequency_penalty: taken from the logit of a token as often as the response has it.
        no_repeat_ngram: no run of so many tokens of prompt and response comes twice; 0 for any.
        min_p: samples among the tokens that are at least this share as likely as the most likely one; 0 for all.
        typical_p: samples among the tokens that are closest to the expected surprise and sum to this probability; 1 for all.
        epsilon_cutoff: samples among the tokens with at least this probability; 0 for all.
        eta_cutoff: the same with a bound that is lower where many tokens are likely; 0 for all.

    Raises:
        ConfigError: `min_new_tokens` is above `max_new_tokens`.
    """

    OF_SAMPLING: ClassVar = ("sampling_temperature", "top_p", "top_k", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")
    """Settings that have no effect where the most likely token is taken."""

    max_new_tokens: Count = 64
    greedy: bool = False
    sampling_temperature: Positive = 1.0
    top_k: NonNegativeCount = 0
    top_p: Share = 1.0
    _: KW_ONLY
    stop: Annotated[tuple[StopString, ...], MaxLen(16)] = ()
    min_new_tokens: NonNegativeCount = 0
    repetition_penalty: Annotated[float, Ge(0.01), Le(10)] = 1.0
    presence_penalty: Penalty = 0.0
    frequency_penalty: Penalty = 0.0
    no_repeat_ngram: NonNegativeCount = 0
    min_p: Annotated[float, Ge(0), Le(1)] = 0.0
    typical_p: Share = 1.0
    epsilon_cutoff: Annotated[float, Ge(0), Lt(1)] = 0.0
    eta_cutoff: Annotated[float, Ge(0), Lt(1)] = 0.0

    def __post_init__(self) -> None:
        if self.min_new_tokens > self.max_new_tokens:
            raise ConfigError(f"min_new_tokens: {self.min_new_tokens} must be at most max_new_tokens, {self.max_new_tokens}.")

    def sampling(self, seed: int = 0, bias: Mapping[int | tuple[int, ...], float] | None = None) -> TokenSampling:
        """How tokens are chosen, as a text engine takes it."""
        same = {field.name: getattr(self, field.name) for field in fields(TokenSampling) if hasattr(self, field.name)}
        temperature = 0.0 if self.greedy else self.sampling_temperature
        return TokenSampling(**same, temperature=temperature, bias=bias or {}, seed=seed, min_tokens=self.min_new_tokens)
