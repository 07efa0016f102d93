"""A text classifier in ONNX as a scorer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from moft import ConfigError
from moft.api import Count, NonNegativeCount, PathOrName, length_grouped
from moft_scorers.onnx_session import Graph
from moft_scorers.token_batches import in_batches

_POSITIONS = 512


class Onnx:
    """One output of a text classifier in ONNX, on tokens of a `tokenizer.json`; ONNX Runtime computes it on the CPU.

    Args:
        model: the ONNX file.
        tokenizer: the `tokenizer.json`; null for the one beside the model.
        label: whose output is taken: its place, from 0, or its name, by `id2label` in the `config.json` beside the model; null
            where there is but one.
        output: name of the model's output, `[batch]` or `[batch, labels]`; null for `logits`, or for the only one.
        activation: put on the outputs; `softmax` goes over all labels.
        ids: name of the input of tokens.
        mask: name of the input with 1 for a token and 0 for padding; null for `attention_mask`, where the model has it. A model
            without it, that takes texts of any length, is given those of one length at a time.
        types: name of the input with 0 for the first text and 1 for the second; null for `token_type_ids`, where there is one.
        reads: `response` alone, or prompt and response as a `pair` of texts.
        sign: -1 makes less of it better.
        max_length: tokens of a text, of which a longer one loses the end; null for what model or tokenizer fix, else 512.
        tokens_per_batch: padding included.
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
        path = Path(model).expanduser()
        if not path.is_file():
            raise ConfigError(f"model: {path} is no file; it has to be a model in ONNX.")
        self._tokenizer = _tokenizer(path.with_name("tokenizer.json") if tokenizer is None else Path(tokenizer).expanduser())
        self._padding = _padding_token(self._tokenizer)
        self._graph = Graph(path, ids=ids, mask=mask, types=types, output=output, padding=self._padding)
        _cut(self._tokenizer, max_length, self._graph.time)
        self._column = _column(label, self._graph.labels, path)
        self._path, self._reads, self._activation, self._sign, self._budget = path, reads, activation, sign, tokens_per_batch
        named = "the output" if label is None else f"output {label!r}"
        how = "" if activation == "none" else f" after {activation}"
        self.meaning = f"{'' if sign == 1 else 'minus '}{named} of {path.name}{how}; larger is better"

    def __call__(self, prompts: Sequence[str], responses: Sequence[str]) -> Tensor:
        texts: list[Any] = list(responses) if self._reads == "response" else list(zip(prompts, responses, strict=True))
        encoded = self._tokenizer.encode_batch(texts)
        # a text without a token is one of padding
        rows = [(row.ids, row.type_ids) if row.ids else ([self._padding], [0]) for row in encoded]
        lengths = torch.tensor([len(ids) for ids, _ in rows], dtype=torch.int64)

        def score(batch: list[int]) -> Tensor:
            return self._activated(self._graph([rows[index] for index in batch]))

        return self._sign * in_batches(self._plan(lengths), lengths, score, str(self._path))

    def _plan(self, lengths: Tensor) -> list[Tensor]:
        """The rows of each batch."""
        if len(lengths) == 0:
            return []
        graph = self._graph
        if graph.time is not None:
            plan = list(torch.split(torch.arange(len(lengths)), max(1, self._budget // graph.time)))
        elif graph.has_mask:
            plan = length_grouped(lengths, self._budget)
        else:
            alike = [(lengths == length).nonzero().flatten() for length in sorted(set(lengths.tolist()))]
            plan = [part for rows in alike for part in torch.split(rows, max(1, self._budget // int(lengths[rows[0]])))]
        return plan if graph.rows is None else [part for rows in plan for part in torch.split(rows, graph.rows)]

    def _activated(self, outputs: Tensor) -> Tensor:
        """`[batch]`, the label's part of outputs `[batch, labels]`."""
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
        raise ConfigError(f"tokenizer: {path} is no file; it has to be the tokenizer.json of the model.")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises a bare one
        raise ConfigError(f"tokenizer: {path} is no tokenizer.json: {str(error).strip().splitlines()[0]}.") from error


def _padding_token(tokenizer: Any) -> int:
    """The token that stands behind shorter rows."""
    if tokenizer.padding is not None:
        return int(tokenizer.padding["pad_id"])
    known = (tokenizer.token_to_id(token) for token in ("[PAD]", "<pad>"))
    return next((token for token in known if token is not None), 0)


def _cut(tokenizer: Any, wanted: int | None, time: int | None) -> None:
    """Makes the tokenizer cut longer texts, and pad none.

    Raises:
        ConfigError: more tokens are wanted than the model takes.
    """
    if wanted is not None and time is not None and wanted > time:
        raise ConfigError(f"max_length: {wanted} tokens, and the model takes {time}.")
    usual = tokenizer.truncation["max_length"] if tokenizer.truncation else _POSITIONS
    tokenizer.no_padding()
    tokenizer.enable_truncation(wanted or min(usual, time or usual))


def _column(label: int | str | None, labels: int, path: Path) -> int:
    """The place of a label among the outputs.

    Raises:
        ConfigError: there is no such label, or none is named and there are several.
    """
    if isinstance(label, str):
        names = _names(path.with_name("config.json"))
        if label not in names:
            raise ConfigError(f"label: {path.with_name('config.json')} has no {label!r}; it has {', '.join(names)}.")
        label = names[label]
    if label is None and labels > 1:
        raise ConfigError(f"label: none is named; {path} has {labels} outputs, 0 to {labels - 1}.")
    place = label or 0
    if place >= labels:
        raise ConfigError(f"label: there is no output {place}; {path} has {labels}, counted from 0.")
    return place


def _names(path: Path) -> dict[str, int]:
    """The places of labels by their names.

    Raises:
        ConfigError: the file is not there, or does not have them.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): int(place) for place, name in content["id2label"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"label: {path} has no id2label to find a name in; give its place, from 0.") from error
