"""The contract of scorers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from moft.interfaces import Scorer
from moft.testing.contracts.assertions import require, require_finite, require_same, untouched_randomness

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
    """Checks what every scorer promises, on texts plain and odd.

    A meaning; one finite float32 on the CPU for each response, an empty one too, and none for no response; the same number on
    every call, alone and among others, whatever their order; texts without letters, in other scripts and of a few thousand
    words; nothing drawn from the global generator.

    Raises:
        AssertionError: what was promised, what was seen, and on which input.
    """
    meaning = getattr(scorer, "meaning", None)
    is_sentence = isinstance(meaning, str) and bool(meaning.strip()) and "\n" not in meaning
    require(is_sentence, "a meaning, in one line of words", repr(meaning), "the scorer itself")
    for count in (0, 1, len(_RESPONSES)):
        _scored(scorer, _PROMPTS[:count], _RESPONSES[:count], f"{count} responses")
    on = f"{len(_RESPONSES)} different responses"
    scores = _scored(scorer, _PROMPTS, _RESPONSES, on)
    again = _scored(scorer, list(_PROMPTS), list(_RESPONSES), on)
    require(torch.equal(scores, again), "the same texts have the same scores on every call", (scores - again).tolist(), on)
    backwards = _scored(scorer, _PROMPTS[::-1], _RESPONSES[::-1], f"{on}, backwards")
    require_same(backwards.flip(0), scores, "the order of the responses changes nothing", f"{on}, backwards", tolerance=1e-4)
    for prompt, response, score in zip(_PROMPTS, _RESPONSES, scores, strict=True):
        on = f"the response {_short(response)}, alone"
        alone = _scored(scorer, [prompt], [response], on)
        require_same(alone, score.reshape(1), "a response scores the same alone as among others", on, tolerance=1e-4)


def _scored(scorer: Scorer, prompts: Sequence[str], responses: Sequence[str], on: str) -> Tensor:
    """`[n]`, the scores, which are what a scorer returns at all."""
    given = list(prompts), list(responses)
    with untouched_randomness("nothing is drawn from the global generator", on):
        scores = scorer(prompts, responses)
    require((list(prompts), list(responses)) == given, "inputs left as they were", "one was changed in place", on)
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
