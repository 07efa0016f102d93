"""The contract of scorers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from moft.interfaces import Scorer
from moft.testing.contracts.assertions import require, require_finite, require_same, unused_global_generator

_PROMPTS = (
    "How was your day?",
    "Tell me a story.",
    "",
    "Wie geht's?",
    "Once upon a time,",
    "Why?\n",
    "Go on.",
    "Say it.",
    "More!",
)
_RESPONSES = (
    "It was lovely. I met a friend, and we ate cake!",
    "No. I hate this awful, terrible day, and I will not say one more word about it to anybody at all",
    "",
    " \n\t ",
    "Très bien, merci — 謝謝 😀",
    "...?!",
    "A list:\n- one\n- two\n\n- three",
    "The dog ran over the hill and did not look back. " * 300,
    "x" * 3000,
)


def check_scorer(scorer: Scorer) -> None:
    """Checks the contract of scorers, on ordinary and unusual texts.

    It has a meaning. It gives one finite float32 on the CPU for each response: also for an empty one, texts without letters, in
    other scripts and of a few thousand words. A response scores the same on every call, alone and in a batch, in any order. The
    global generator is not used.

    Raises:
        AssertionError: a rule is broken; the message gives the rule, what was found and the input.
    """
    meaning = getattr(scorer, "meaning", None)
    is_sentence = isinstance(meaning, str) and bool(meaning.strip()) and "\n" not in meaning
    require(is_sentence, "`meaning`, one line of text", repr(meaning), "the scorer")
    for count in (0, 1, len(_RESPONSES)):
        _scored(scorer, _PROMPTS[:count], _RESPONSES[:count], f"{count} responses")
    on = f"{len(_RESPONSES)} different responses"
    scores = _scored(scorer, _PROMPTS, _RESPONSES, on)
    again = _scored(scorer, list(_PROMPTS), list(_RESPONSES), on)
    require(torch.equal(scores, again), "the same texts have the same scores on every call", (scores - again).tolist(), on)
    backwards = _scored(scorer, _PROMPTS[::-1], _RESPONSES[::-1], f"{on}, backwards")
    require_same(
        backwards.flip(0), scores, "the order of the responses does not change the scores", f"{on}, backwards", tolerance=1e-4
    )
    for prompt, response, score in zip(_PROMPTS, _RESPONSES, scores, strict=True):
        on = f"the response {_short(response)}, alone"
        alone = _scored(scorer, [prompt], [response], on)
        require_same(alone, score.reshape(1), "a response scores the same alone and in a batch", on, tolerance=1e-4)


def _scored(scorer: Scorer, prompts: Sequence[str], responses: Sequence[str], on: str) -> Tensor:
    """`[n]`, the scores, with type, shape and device checked."""
    given = list(prompts), list(responses)
    with unused_global_generator("the global generator is not used", on):
        scores = scorer(prompts, responses)
    require((list(prompts), list(responses)) == given, "inputs are not changed", "one was changed in place", on)
    require(isinstance(scores, Tensor), "a tensor", type(scores).__name__, on)
    require(scores.dtype == torch.float32, "scores in float32", scores.dtype, on)
    require(scores.device.type == "cpu", "scores on the CPU", scores.device, on)
    require(tuple(scores.shape) == (len(responses),), f"a score for each response, [{len(responses)}]", list(scores.shape), on)
    require(not scores.requires_grad, "scores without gradient", "they require one", on)
    for response, score in zip(responses, scores, strict=True):
        require_finite(score, "a score is finite", f"the response {_short(response)}")
    return scores


def _short(text: str) -> str:
    """The beginning of a text, quoted."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
