"""How tokens are chosen when text is generated: greedy or sampled, with which temperature, top-k and top-p."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt, Le

from moft.api import Count, NonNegativeCount, Positive


@dataclass(frozen=True)
class Decoding:
    """How tokens are chosen.

    Args:
        max_new_tokens: the most tokens of a response.
        greedy: always takes the most likely token; else tokens are sampled.
        sampling_temperature: logits are divided by it before sampling; below 1 is closer to greedy. Not the dial of a policy.
        top_k: samples among this many most likely tokens; 0 for all.
        top_p: samples among the most likely tokens whose probabilities sum to this; 1 for all.
        batch: prompts at a time; a larger value is faster and takes more memory.
    """

    max_new_tokens: Count = 64
    greedy: bool = False
    sampling_temperature: Positive = 1.0
    top_k: NonNegativeCount = 0
    top_p: Annotated[float, Gt(0), Le(1)] = 1.0
    batch: Count = 32
