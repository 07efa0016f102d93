"""Checks, on a few tokens, that an architecture gives right scores with padded, shared and packed rows, and can generate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from moft import ConfigError
from moft.api import Inputs
from moft_llm.network.architecture import embeddings_of
from moft_llm.network.attention.attention_windows import possible_window

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_PROMPT, _FIRST, _SECOND, _OTHER = [5, 9, 3], [7, 4], [8, 6, 10], [11, 2]
_MAX_ERROR = 200  # characters
_OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError)  # says nothing about the architecture
_WIDE = (torch.float32, torch.float64)
_TOLERANCE, _TOLERANCE_16_BIT = 1e-3, 0.5  # of sums of a few tokens; a wrong mask or position moves most of them by more
_LEAK, _LEAK_16_BIT = 1e-3, 0.03  # change of a response's score with the other response, which should be zero


@dataclass(frozen=True)
class Trial:
    """A prompt with two responses, and their log-probabilities from the network's own logits.

    Args:
        name: of the network's architecture.
        inputs: of the language model, one list.
        changed: the same, with other tokens in the first response.
        row: the prompt with many copies of the second response, longer than any possible window; None where there is none.
        expected: `[2]`, the log-probability of each response, from the network's own logits.
        is_wide: whether the weights have more than 16 bits.
    """

    name: str
    inputs: Inputs
    changed: Inputs
    row: Inputs | None
    expected: Tensor
    is_wide: bool


def run_trial(network: PreTrainedModel) -> Trial:
    """A trial of a network as it was loaded.

    Raises:
        ConfigError: the network raises an error.
    """
    name, window = type(network).__name__, possible_window(network)
    try:
        with torch.no_grad():
            expected = torch.stack(
                [_expected_score(network, _inputs(network, [response])["tokens"]) for response in (_FIRST, _SECOND)]
            )
    except _OUT_OF_MEMORY:
        raise
    except Exception as error:
        raise _cannot_be_tuned(name, error) from error
    row = None if window is None else _inputs(network, [_SECOND] * (2 + window // len(_SECOND)))
    both = [_inputs(network, [response, _SECOND]) for response in (_FIRST, _OTHER)]
    return Trial(name, both[0], both[1], row, expected, embeddings_of(network).weight.dtype in _WIDE)


def generation_fault(network: PreTrainedModel) -> str | None:
    """The error that a network raises when it generates from embeddings, as after a prefix; None where it raises none."""
    from transformers import GenerationConfig

    generator: Any = network
    saved = getattr(network, "generation_config", None)
    settings = GenerationConfig(max_new_tokens=2, do_sample=False, use_cache=True, pad_token_id=0)  # the second reads the cache
    try:
        generator.generation_config = GenerationConfig()  # a saved one may ask for a compiled cache
        tokens = _inputs(network, [])["tokens"]
        with torch.no_grad():
            embedded = embeddings_of(network)(tokens)
            generator.generate(inputs_embeds=embedded, attention_mask=torch.ones_like(tokens), generation_config=settings)
    except _OUT_OF_MEMORY:
        raise
    except Exception as error:
        return _error_line(error)
    finally:
        generator.generation_config = saved
    return None


def check_scores(trial: Trial, share_prompt: bool, may_pack: bool, scores: Callable[[Inputs, bool, bool], Tensor]) -> bool:
    """True when packed sequences score as padded rows do.

    Args:
        trial: of the network.
        share_prompt: True to try shared rows, too.
        may_pack: True to try packed sequences.
        scores: `[1, list]`, of inputs, with the prompt shared or not, and packed or not.

    Raises:
        ConfigError: scores of padded rows differ from the network's own logits, or raise an error.
    """
    tolerance, leak = (_TOLERANCE, _LEAK) if trial.is_wide else (_TOLERANCE_16_BIT, _LEAK_16_BIT)

    def is_right(share: bool, pack: bool) -> bool:
        """Whether scores are as expected, and do not change with another response; False where a layout raises an error."""
        try:
            original, changed = (scores(inputs, share, pack)[0] for inputs in (trial.inputs, trial.changed))
            if not torch.allclose(original, trial.expected, atol=tolerance, rtol=0):
                return False
            if not bool((changed[1] - original[1]).abs() <= leak):
                return False
            if share and trial.row is not None:
                return bool(((scores(trial.row, share, pack) - trial.expected[1]).abs() <= tolerance).all())
        except _OUT_OF_MEMORY:
            raise
        except Exception as error:
            if share or pack:
                return False
            raise _cannot_be_tuned(trial.name, error) from error
        return True

    with torch.no_grad():
        if not is_right(False, False):
            raise ConfigError(
                f"model: {trial.name} cannot be tuned, because its logits are not its LM head applied to its hidden states."
            )
        if share_prompt and not is_right(True, False):
            raise ConfigError(
                f"share_prompt: {trial.name} gives other scores when responses share a row. Set share_prompt: false."
            )
        return may_pack and all(is_right(share, True) for share in {share_prompt, False})


def _inputs(network: PreTrainedModel, responses: Sequence[Sequence[int]]) -> Inputs:
    """One list: the prompt with these responses."""
    weight = embeddings_of(network).weight
    parts = [_PROMPT, *responses]
    tokens = torch.tensor([[token for part in parts for token in part]], device=weight.device) % len(weight)
    segments = torch.tensor([[number for number, part in enumerate(parts) for _ in part]], device=weight.device)
    return {"tokens": tokens, "segments": segments, "items": segments.new_ones(1, len(responses), dtype=torch.bool)}


def _cannot_be_tuned(name: str, error: Exception) -> ConfigError:
    return ConfigError(f"model: {name} cannot be tuned: {_error_line(error)}")


def _error_line(error: Exception) -> str:
    """The class and the message of an error, in one line."""
    return shorten(f"{type(error).__name__}: {error}", _MAX_ERROR, placeholder=" ...")


def _expected_score(network: PreTrainedModel, tokens: Tensor) -> Tensor:
    """`[]`, log-probability of what follows the prompt, from the network's own logits."""
    prompt = len(_PROMPT)
    logits: Tensor = network(input_ids=tokens, use_cache=False).logits.float().log_softmax(-1)
    return logits[:, prompt - 1 : -1].gather(2, tokens[:, prompt:, None]).sum()
