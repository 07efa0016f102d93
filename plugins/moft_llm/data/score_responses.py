"""Scores responses with several scorers, and checks that each gives one finite number per response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from moft import PluginError
from moft.api import Scorer, failing_as
from moft_llm.data.preference_example import short_repr


def score_responses(scorers: Mapping[str, Scorer], prompts: Sequence[str], responses: Sequence[str]) -> Tensor:
    """`[n, m]` float64, the scores of n responses by m scorers, in their order.

    Args:
        scorers: by the name of their objective.
        prompts: n texts.
        responses: n texts.

    Raises:
        PluginError: a scorer raised an error, or did not return a finite number for each response.
    """
    return torch.stack([_scores(name, scorer, prompts, responses) for name, scorer in scorers.items()], dim=-1)


def _scores(name: str, scorer: Scorer, prompts: Sequence[str], responses: Sequence[str]) -> Tensor:
    """`[n]` float64."""
    who = f"the scorer of {name!r} ({type(scorer).__name__})"
    with failing_as(f"{who} failed"):
        scores = scorer(prompts, responses)
    if not isinstance(scores, Tensor) or scores.shape != (len(responses),):
        returned = f"a tensor of shape {list(scores.shape)}" if isinstance(scores, Tensor) else short_repr(scores)
        raise PluginError(f"{who} returned {returned} for {len(responses)} responses; it must return one number for each.")
    scores = scores.detach().double().cpu()
    if not bool(torch.isfinite(scores).all()):
        worst = int((~torch.isfinite(scores)).nonzero()[0])
        raise PluginError(
            f"{who} returned {scores[worst]:g} for the response {short_repr(responses[worst])}; scores must be finite."
        )
    return scores
