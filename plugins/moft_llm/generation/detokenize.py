"""Generated tokens as text, the way they go on after their prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def texts_after(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]]
) -> list[str]:
    """The text of each response, with the space before it where there is one; special tokens are left out.

    Prompt and response are decoded together, since many tokenizers drop the space at the start of what they decode.

    Args:
        tokenizer: of the model.
        prompts: tokens.
        responses: tokens, one for each prompt.
    """
    starts = _decoded(tokenizer, prompts)
    whole = _decoded(tokenizer, [[*prompt, *response] for prompt, response in zip(prompts, responses, strict=True)])
    alone = _decoded(tokenizer, responses)
    return [text[len(start) :] if text.startswith(start) else own for start, text, own in zip(starts, whole, alone, strict=True)]


def _decoded(tokenizer: PreTrainedTokenizerBase, rows: Sequence[Sequence[int]]) -> list[str]:
    decode: Any = tokenizer.decode
    return [decode(list(row), skip_special_tokens=True, clean_up_tokenization_spaces=False) for row in rows]
