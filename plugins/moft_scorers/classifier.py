"""The scorer `classifier`: a transformers model for sequence classification, such as a reward model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from moft import ConfigError, DataError
from moft.api import Chat, ChatFault, Count, PathOrName, length_grouped, render_chats
from moft_scorers.classifier_loading import load_classifier, max_tokens
from moft_scorers.token_batches import pad, score_in_batches

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Classifier:
    """The output of a transformers model with a head for sequence classification, such as a reward model.

    Weights are read from safetensors, and no code in the model's folder is run.

    Args:
        model: a folder, or a name on the Hugging Face hub.
        label: whose output is the score; null where the model has only one.
        scale: `probability` of the label, among all labels if they exclude each other; `log-odds` of that probability, which do
            not saturate at 0 and 1; or `logit`, the model's output itself, as usual for rewards.
        reads: the `response` only; prompt and response as a `pair` of texts; or both as a `chat`, in the tokenizer's template.
        sign: -1 makes lower values better.
        max_length: tokens of a text; a longer text loses its end, a longer chat its beginning. Null is as many as the model
            takes.
        tokens_per_batch: tokens of a batch, padding included; more need more memory.
        device: `auto` takes a GPU if there is one.
        dtype: of the weights.
    """

    def __init__(
        self,
        *,
        model: PathOrName,
        label: str | None = None,
        scale: Literal["probability", "log-odds", "logit"] = "probability",
        reads: Literal["response", "pair", "chat"] = "response",
        sign: Literal[1, -1] = 1,
        max_length: Count | None = None,
        tokens_per_batch: Count = 8192,
        device: Literal["auto", "cpu", "cuda"] = "auto",
        dtype: Literal["float32", "bfloat16"] = "float32",
    ) -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("device: cuda is not available, because torch finds no CUDA device. Set device: auto or cpu.")
        self._network, self._tokenizer = load_classifier(model, _DTYPES[dtype])
        if reads == "chat" and self._tokenizer.chat_template is None:
            raise ConfigError(f"reads: the tokenizer of {model} has no chat template. Set reads: response or pair.")
        self._model = model
        if reads == "chat" and isinstance(fault := self._chats([""], [""])[0], ChatFault) and fault.kind != "rejected":
            raise ConfigError(f"reads: the chat template of {model} {fault.in_words()}. Set reads: response or pair.")
        labels = [str(name) for _, name in sorted(self._network.config.id2label.items())]
        self._column = _column(labels, label, model)
        self._length = max_tokens(self._network, self._tokenizer, max_length)
        self._tokenizer.truncation_side = "left" if reads == "chat" else "right"
        self._device = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
        self._is_exclusive = len(labels) > 1 and self._network.config.problem_type != "multi_label_classification"
        self._scale, self._reads, self._sign, self._budget = scale, reads, sign, tokens_per_batch
        what = f"{scale} of {labels[self._column]!r}" if len(labels) > 1 else f"{scale} of the output"
        self.meaning = f"{'' if sign == 1 else 'minus '}{what} by the classifier {Path(model).name}; larger is better"

    def __call__(self, prompts: Sequence[str], responses: Sequence[str]) -> Tensor:
        rows = self._tokens(prompts, responses)
        lengths = torch.tensor([len(row["input_ids"]) for row in rows], dtype=torch.int64)
        self._network.to(self._device)

        def score(batch: list[int]) -> Tensor:
            return self._scaled(self._outputs([rows[index] for index in batch]))

        plan = length_grouped(lengths, self._budget)
        return self._sign * score_in_batches(plan, lengths, score, self._model)

    def _tokens(self, prompts: Sequence[str], responses: Sequence[str]) -> list[Mapping[str, list[int]]]:
        """The model's inputs for each text, without padding; at least one token."""
        length: Any = {"truncation": True, "max_length": self._length}
        match self._reads:
            case "response":
                rows = [self._tokenizer(response, **length) for response in responses]
            case "pair":
                rows = [self._tokenizer(*pair, **length) for pair in zip(prompts, responses, strict=True)]
            case "chat":
                texts = self._chats(prompts, responses)
                if fault := next((text for text in texts if isinstance(text, ChatFault)), None):
                    raise DataError(f"the chat template of {self._model} {fault.in_words()}.")
                rows = [self._tokenizer(text, add_special_tokens=False, **length) for text in texts]
        nothing = {"input_ids": self._tokenizer.pad_token_id, "attention_mask": 1}
        return [dict(row) if row["input_ids"] else {key: [nothing.get(key, 0)] for key in row} for row in rows]

    def _chats(self, prompts: Sequence[str], responses: Sequence[str]) -> list[str | ChatFault]:
        """Prompts with their responses in the tokenizer's chat template."""
        chats = [
            Chat([{"role": "user", "content": prompt}, {"role": "assistant", "content": response}], opens_answer=False)
            for prompt, response in zip(prompts, responses, strict=True)
        ]
        return render_chats(self._tokenizer, chats)

    def _outputs(self, rows: Sequence[Mapping[str, list[int]]]) -> Tensor:
        """`[batch, labels]` float32, the model's outputs."""
        padding = {"input_ids": self._tokenizer.pad_token_id, "token_type_ids": self._tokenizer.pad_token_type_id}
        inputs = {key: pad([row[key] for row in rows], padding.get(key, 0)).to(self._device) for key in rows[0]}
        with torch.no_grad():
            outputs: Tensor = self._network(**inputs).logits
        return outputs.float()

    def _scaled(self, outputs: Tensor) -> Tensor:
        """`[batch]`, the scores from outputs `[batch, labels]`."""
        scores = outputs[:, self._column]
        if self._scale == "logit":
            return scores
        if self._is_exclusive:
            others = torch.cat([outputs[:, : self._column], outputs[:, self._column + 1 :]], dim=1)
            scores = scores - others.logsumexp(1)
        return scores if self._scale == "log-odds" else scores.sigmoid()


def _column(labels: Sequence[str], label: str | None, model: str) -> int:
    """The column of a label.

    Raises:
        ConfigError: there is no such label, or none is given and there are several.
    """
    if label is None and len(labels) == 1:
        return 0
    if label not in labels:
        problem = "choose one" if label is None else f"there is no {label!r}"
        raise ConfigError(f"label: {problem}; {model} has {', '.join(labels)}.")
    return labels.index(label)
