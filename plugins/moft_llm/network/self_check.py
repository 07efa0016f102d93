"""The check that a network's scores would be right, however prompts and batches are laid out: tried on a few tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from moft import ConfigError
from moft.api import Inputs
from moft_llm.network.architecture import embeddings_of, possible_window

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_PROMPT, _FIRST, _SECOND, _OTHER = [5, 9, 3], [7, 4], [8, 6, 10], [11, 2]
_SAID = 200  # characters of an error
_TOO_LITTLE = (torch.OutOfMemoryError, MemoryError)  # says nothing of the architecture
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
        row: the prompt with the second response again and again, to beyond what may be a window; None where nothing may.
        own: `[2]`, the log-probability of each response, from the logits that the network gives.
        is_wide: whether the weights have more than 16 bits.
    """

    name: str
    inputs: Inputs
    changed: Inputs
    row: Inputs | None
    own: Tensor
    is_wide: bool


def trial_of(network: PreTrainedModel) -> Trial:
    """The trial of a network, which computes as it was loaded.

    Raises:
        ConfigError: it fails.
    """
    name, window = type(network).__name__, possible_window(network)
    try:
        with torch.no_grad():
            own = torch.stack([_own_score(network, _inputs(network, [response])["tokens"]) for response in (_FIRST, _SECOND)])
    except _TOO_LITTLE:
        raise
    except Exception as error:
        raise _cannot(name, error) from error
    row = None if window is None else _inputs(network, [_SECOND] * (2 + window // len(_SECOND)))
    both = [_inputs(network, [response, _SECOND]) for response in (_FIRST, _OTHER)]
    return Trial(name, both[0], both[1], row, own, embeddings_of(network).weight.dtype in _WIDE)


def generation_fault(network: PreTrainedModel) -> str | None:
    """What a network raises when it is to generate from embeddings, as text is written after a prefix; None when it generates."""
    from transformers import GenerationConfig

    lent: Any = network
    saved = getattr(network, "generation_config", None)
    settings = GenerationConfig(max_new_tokens=2, do_sample=False, use_cache=True, pad_token_id=0)  # two read the cache, too
    try:
        lent.generation_config = GenerationConfig()  # what was saved with a model may ask for a cache that is compiled
        tokens = _inputs(network, [])["tokens"]
        with torch.no_grad():
            embedded = embeddings_of(network)(tokens)
            lent.generate(inputs_embeds=embedded, attention_mask=torch.ones_like(tokens), generation_config=settings)
    except _TOO_LITTLE:
        raise
    except Exception as error:
        return _told(error)
    finally:
        lent.generation_config = saved
    return None


def check_scores(trial: Trial, share_prompt: bool, may_pack: bool, scores: Callable[[Inputs, bool, bool], Tensor]) -> bool:
    """True when packed sequences score as padded rows do.

    Args:
        trial: of the network.
        share_prompt: True to try that way, too.
        may_pack: True to try packed sequences.
        scores: of inputs, with the prompt shared or not, and packed or not, `[1, list]`.

    Raises:
        ConfigError: padded rows do not score as the network does by itself, or fail.
    """
    near, still = (_TOLERANCE, _MOVED) if trial.is_wide else (_TOLERANCE_16_BIT, _MOVED_16_BIT)

    def holds(share: bool, pack: bool) -> bool:
        """Whether scores are near the network's own, and none moves with another response; False for a layout that it refuses."""
        try:
            found, moved = (scores(inputs, share, pack)[0] for inputs in (trial.inputs, trial.changed))
            is_right = torch.allclose(found, trial.own, atol=near, rtol=0) and bool((moved[1] - found[1]).abs() <= still)
            if is_right and share and trial.row is not None:
                return bool(((scores(trial.row, share, pack) - trial.own[1]).abs() <= near).all())
        except _TOO_LITTLE:
            raise
        except Exception as error:
            if share or pack:
                return False
            raise _cannot(trial.name, error) from error
        return is_right

    with torch.no_grad():
        if not holds(False, False):
            raise ConfigError(
                f"model: the logits of {trial.name} are not those of its hidden states and LM head alone; it cannot be tuned "
                "here."
            )
        if share_prompt and not holds(True, False):
            raise ConfigError(f"share_prompt: {trial.name} scores otherwise when responses share a row. Set share_prompt: false.")
        return may_pack and all(holds(share, True) for share in {share_prompt, False})


def _inputs(network: PreTrainedModel, responses: Sequence[Sequence[int]]) -> Inputs:
    """One list: the prompt with these responses."""
    weight = embeddings_of(network).weight
    parts = [_PROMPT, *responses]
    tokens = torch.tensor([[token for part in parts for token in part]], device=weight.device) % len(weight)
    segments = torch.tensor([[number for number, part in enumerate(parts) for _ in part]], device=weight.device)
    return {"tokens": tokens, "segments": segments, "items": segments.new_ones(1, len(responses), dtype=torch.bool)}


def _cannot(name: str, error: Exception) -> ConfigError:
    return ConfigError(f"model: {name} cannot be tuned here: {_told(error)}")


def _told(error: Exception) -> str:
    """The kind of an error and what it says, in one line."""
    return shorten(f"{type(error).__name__}: {error}", _SAID, placeholder=" ...")


def _own_score(network: PreTrainedModel, tokens: Tensor) -> Tensor:
    """`[]`, log-probability of what follows the prompt, from the logits that the network gives itself."""
    prompt = len(_PROMPT)
    logits: Tensor = network(input_ids=tokens, use_cache=False).logits.float().log_softmax(-1)
    return logits[:, prompt - 1 : -1].gather(2, tokens[:, prompt:, None]).sum()
