"""Generated tokens as text, as it continues the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def detokenize_responses(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]]
) -> list[str]:
    """The text of each response, with its leading space where it has one; special tokens are left out.

    Prompt and response are decoded together, because many tokenizers drop the space at the start of a decoded text.

    Args:
        tokenizer: of the model.
        prompts: tokens.
        responses: tokens, one for each prompt.
    """
    starts = _decode(tokenizer, prompts)
    whole = _decode(tokenizer, [[*prompt, *response] for prompt, response in zip(prompts, responses, strict=True)])
    alone = _decode(tokenizer, responses)
    return [
        text[len(start) :] if text.startswith(start) else response
        for start, text, response in zip(starts, whole, alone, strict=True)
    ]


def _decode(tokenizer: PreTrainedTokenizerBase, rows: Sequence[Sequence[int]]) -> list[str]:
    decode: Any = tokenizer.decode
    return [decode(list(row), skip_special_tokens=True, clean_up_tokenization_spaces=False) for row in rows]
