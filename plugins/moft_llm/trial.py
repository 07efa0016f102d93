"""The check that a network's scores would be right, however prompts and batches are laid out: tried on a few tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from moft import ConfigError, ShapeError
from moft.api import Inputs
from moft_llm.architecture import embeddings_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_PROMPT, _FIRST, _SECOND, _OTHER = [5, 9, 3], [7, 4], [8, 6, 10], [11, 2]
_WIDE = (torch.float32, torch.float64)
_TOLERANCE, _TOLERANCE_16_BIT = 1e-3, 0.5  # of sums of a few tokens; a wrong mask or position moves most of them by more
_MOVED, _MOVED_16_BIT = 1e-3, 0.03  # of a response's score by what stands in another one; it should be nothing


@dataclass(frozen=True)
class Trial:
    """A prompt with two responses, and what a network says of them by itself.

    Args:
        name: of the network's architecture.
        inputs: of the language model, one list.
        changed: the same, with other tokens in the first response.
        own: `[2]`, the log-probability of each response, from the logits that the network gives.
        is_wide: whether the weights have more than 16 bits.
    """

    name: str
    inputs: Inputs
    changed: Inputs
    own: Tensor
    is_wide: bool


def trial_of(network: PreTrainedModel) -> Trial:
    """The trial of a network, which computes as it was loaded."""
    weight = embeddings_of(network).weight
    first, changed = (
        torch.tensor([[*_PROMPT, *response, *_SECOND]], device=weight.device) % len(weight) for response in (_FIRST, _OTHER)
    )
    segments = torch.tensor([[0, 0, 0, 1, 1, 2, 2, 2]], device=weight.device)
    items = segments.new_ones(1, 2, dtype=torch.bool)
    with torch.no_grad():
        own = torch.stack([_own_score(network, first[:, segments[0] != other]) for other in (2, 1)])
    both: list[Inputs] = [{"tokens": tokens, "segments": segments, "items": items} for tokens in (first, changed)]
    return Trial(type(network).__name__, both[0], both[1], own, weight.dtype in _WIDE)


def check_scores(trial: Trial, share_prompt: bool, may_pack: bool, scores: Callable[[Inputs, bool, bool], Tensor]) -> bool:
    """True when packed sequences score as padded rows do.

    Args:
        trial: of the network.
        share_prompt: True to try that way, too.
        may_pack: True to try packed sequences.
        scores: of inputs, with the prompt shared or not, and packed or not, `[1, 2]`.

    Raises:
        ConfigError: padded rows do not score as the network does by itself.
    """

    def holds(share: bool, pack: bool) -> bool:
        """Whether scores are near the network's own, and none moves with another response; False for a layout that it refuses."""
        try:
            found, moved = (scores(inputs, share, pack)[0] for inputs in (trial.inputs, trial.changed))
        except (TypeError, ValueError, RuntimeError, ShapeError):
            if share or pack:
                return False
            raise
        near, still = (_TOLERANCE, _MOVED) if trial.is_wide else (_TOLERANCE_16_BIT, _MOVED_16_BIT)
        return torch.allclose(found, trial.own, atol=near, rtol=0) and bool((moved[1] - found[1]).abs() <= still)

    with torch.no_grad():
        if not holds(False, False):
            raise ConfigError(
                f"model: the logits of {trial.name} are not those of its hidden states and LM head alone; it cannot be tuned "
                "here."
            )
        if share_prompt and not holds(True, False):
            raise ConfigError(f"share_prompt: {trial.name} scores otherwise when responses share a row. Set share_prompt: false.")
        return may_pack and all(holds(share, True) for share in {share_prompt, False})


def _own_score(network: PreTrainedModel, tokens: Tensor) -> Tensor:
    """`[]`, log-probability of what follows the prompt, from the logits that the network gives itself."""
    prompt = len(_PROMPT)
    logits: Tensor = network(input_ids=tokens, use_cache=False).logits.float().log_softmax(-1)
    return logits[:, prompt - 1 : -1].gather(2, tokens[:, prompt:, None]).sum()
