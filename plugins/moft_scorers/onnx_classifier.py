"""The scorer `onnx`: an output of a text classifier in ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from moft import ConfigError
from moft.api import Count, NonNegativeCount, PathOrName, length_grouped, parse_json, user_path
from moft_scorers.onnx_session import OnnxModel
from moft_scorers.token_batches import score_in_batches

_DEFAULT_MAX_LENGTH = 512


class Onnx:
    """One output of a text classifier in ONNX with a `tokenizer.json`; ONNX Runtime computes it on the CPU.

    Args:
        model: the ONNX file.
        tokenizer: the `tokenizer.json`; null for the one in the model's folder.
        label: whose output is the score: its number, from 0, or its name in `id2label` of the model's `config.json`; null where
            there is only one.
        output: name of the model's output, `[batch]` or `[batch, labels]`; null for `logits`, or for the only one.
        activation: applied to the outputs; `softmax` is over all labels.
        ids: name of the input of tokens.
        mask: name of the input with 1 for a token and 0 for padding; null for `attention_mask`, if the model has it. A model
            without it that takes texts of any length gets batches of equal length.
        types: name of the input with 0 for the first text and 1 for the second; null for `token_type_ids`, if the model has it.
        reads: the `response` only, or prompt and response as a `pair` of texts.
        sign: -1 makes lower values better.
        max_length: tokens of a text; a longer text loses its end. Null for the limit of the model or tokenizer, else 512.
        tokens_per_batch: tokens of a batch, padding included.
    """

    def __init__(
        self,
        *,
        model: PathOrName,
        tokenizer: PathOrName | None = None,
        label: NonNegativeCount | str | None = None,
        output: str | None = None,
        activation: Literal["none", "softmax", "sigmoid"] = "none",
        ids: str = "input_ids",
        mask: str | None = None,
        types: str | None = None,
        reads: Literal["response", "pair"] = "response",
        sign: Literal[1, -1] = 1,
        max_length: Count | None = None,
        tokens_per_batch: Count = 8192,
    ) -> None:
        path = user_path(model)
        if not path.is_file():
            raise ConfigError(f"model: {path} is not a file; it must be a model in ONNX.")
        self._tokenizer = _tokenizer(path.with_name("tokenizer.json") if tokenizer is None else user_path(tokenizer))
        self._padding = _padding_token(self._tokenizer)
        self._onnx = OnnxModel(path, ids=ids, mask=mask, types=types, output=output, padding=self._padding)
        _set_truncation(self._tokenizer, max_length, self._onnx.time)
        self._column = _column(label, self._onnx.labels, path)
        self._path, self._reads, self._activation, self._sign, self._budget = path, reads, activation, sign, tokens_per_batch
        named = "the output" if label is None else f"output {label!r}"
        how = "" if activation == "none" else f" after {activation}"
        self.meaning = f"{'' if sign == 1 else 'minus '}{named} of {path.name}{how}; larger is better"

    def __call__(self, prompts: Sequence[str], responses: Sequence[str]) -> Tensor:
        texts: list[Any] = list(responses) if self._reads == "response" else list(zip(prompts, responses, strict=True))
        encoded = self._tokenizer.encode_batch(texts)
        # a text without tokens becomes one padding token
        rows = [(row.ids, row.type_ids) if row.ids else ([self._padding], [0]) for row in encoded]
        lengths = torch.tensor([len(ids) for ids, _ in rows], dtype=torch.int64)

        def score(batch: list[int]) -> Tensor:
            return self._activated(self._onnx([rows[index] for index in batch]))

        return self._sign * score_in_batches(self._plan(lengths), lengths, score, str(self._path))

    def _plan(self, lengths: Tensor) -> list[Tensor]:
        """The rows of each batch."""
        if len(lengths) == 0:
            return []
        model = self._onnx
        if model.time is not None:
            plan = list(torch.split(torch.arange(len(lengths)), max(1, self._budget // model.time)))
        elif model.has_mask:
            plan = length_grouped(lengths, self._budget)
        else:
            alike = [(lengths == length).nonzero().flatten() for length in sorted(set(lengths.tolist()))]
            plan = [part for rows in alike for part in torch.split(rows, max(1, self._budget // int(lengths[rows[0]])))]
        return plan if model.rows is None else [part for rows in plan for part in torch.split(rows, model.rows)]

    def _activated(self, outputs: Tensor) -> Tensor:
        """`[batch]`, the scores from outputs `[batch, labels]`."""
        match self._activation:
            case "softmax":
                outputs = outputs.softmax(1)
            case "sigmoid":
                outputs = outputs.sigmoid()
        return outputs[:, self._column]


def _tokenizer(path: Path) -> Any:
    """The tokenizer of a `tokenizer.json`.

    Raises:
        ConfigError: there is none.
    """
    from tokenizers import Tokenizer

    if not path.is_file():
        raise ConfigError(f"tokenizer: {path} is not a file; it must be the tokenizer.json of the model.")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain Exception
        raise ConfigError(f"tokenizer: {path} is not a tokenizer.json: {str(error).strip().splitlines()[0]}.") from error


def _padding_token(tokenizer: Any) -> int:
    """The token that pads shorter rows."""
    if tokenizer.padding is not None:
        return int(tokenizer.padding["pad_id"])
    known = (tokenizer.token_to_id(token) for token in ("[PAD]", "<pad>"))
    return next((token for token in known if token is not None), 0)


def _set_truncation(tokenizer: Any, wanted: int | None, time: int | None) -> None:
    """Makes the tokenizer truncate longer texts, and pad none.

    Raises:
        ConfigError: `wanted` is more than the model takes.
    """
    if wanted is not None and time is not None and wanted > time:
        raise ConfigError(f"max_length: {wanted} is too long; the model takes {time} tokens.")
    usual = tokenizer.truncation["max_length"] if tokenizer.truncation else _DEFAULT_MAX_LENGTH
    tokenizer.no_padding()
    tokenizer.enable_truncation(wanted or min(usual, time or usual))


def _column(label: int | str | None, labels: int, path: Path) -> int:
    """The column of a label.

    Raises:
        ConfigError: there is no such label, or none is given and there are several.
    """
    if isinstance(label, str):
        names = _names(path.with_name("config.json"))
        if label not in names:
            raise ConfigError(f"label: {path.with_name('config.json')} has no {label!r}; it has {', '.join(names)}.")
        label = names[label]
    if label is None and labels > 1:
        raise ConfigError(f"label: choose one; {path} has {labels} outputs, 0 to {labels - 1}.")
    column = label or 0
    if column >= labels:
        raise ConfigError(f"label: there is no output {column}; {path} has {labels}, counted from 0.")
    return column


def _names(path: Path) -> dict[str, int]:
    """The numbers of labels by their names.

    Raises:
        ConfigError: the file does not exist, or has no `id2label`.
    """
    try:
        content = parse_json(path.read_bytes())
        return {str(name): int(number) for number, name in content["id2label"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"label: {path} has no id2label with names. Give the label's number, from 0.") from error
