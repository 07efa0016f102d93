"""One text of vLLM: the request for it, and the tokens of the answer as they come."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from socket import SHUT_RDWR
from textwrap import shorten
from typing import Any

import torch

from moft import BusyError, DataError, RunError
from moft.api import generator_for
from moft_llm.serving.row import Row
from moft_llm.serving.token_scores import PlaceScores, TokenScores
from moft_llm.serving.vllm.served_weights import Place
from moft_llm.serving.vllm.server import VLLMServer
from moft_vllm.middleware import WEIGHTS_HEADER
from moft_vllm.requests import COMPLETIONS

_TOKEN = "token_id:"
"""Before the number of a token, where vLLM reports log-probabilities by number."""


class Completion:
    """Has the tokens of a row generated; `close` from another thread ends that.

    Args:
        row: that takes the tokens.
        place: where they are generated.
        ends: tokens that end a text.
        unused: tokens of the vocabulary that the tokenizer has not, and that are not generated.
        scores: makes log-probabilities.
    """

    def __init__(self, row: Row, place: Place, ends: Collection[int], unused: Collection[int], scores: TokenScores) -> None:
        self._row, self._place, self._ends, self._unused, self._scores = row, place, ends, unused, scores
        self._socket: Any = None

    def close(self) -> None:
        """Closes the connection, by which vLLM ends the text."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(SHUT_RDWR)

    def run(self, server: VLLMServer) -> None:
        """Asks for the text, and gives its tokens to the row until it is over.

        Raises:
            BusyError: the server ended, or failed, before the text was whole.
            DataError: it refuses the request.
            RunError: it answered with something else.
        """
        try:
            connection = server.connect()
        except OSError as error:
            raise BusyError("vLLM ended and is started again; send the request again later.") from error
        try:
            self._socket = connection.sock
            if not self._row.is_over:
                self._receive(self._answer(connection, server))
        except (OSError, HTTPException) as error:
            if not self._row.is_over:
                raise _broken() from error
        finally:
            connection.close()

    def _answer(self, connection: HTTPConnection, server: VLLMServer) -> HTTPResponse:
        connection.request("POST", COMPLETIONS, json.dumps(self.body()), server.headers)
        answer = connection.getresponse()
        if answer.status != 200:
            told = answer.read().decode(errors="replace")
            try:
                raise _refusal(json.loads(told)["error"], answer.status)
            except (ValueError, LookupError, TypeError, AttributeError):
                raise _refusal({"message": told}, answer.status) from None
        label = answer.getheader(WEIGHTS_HEADER.decode(), "")
        expected = self._place.label.encode("ascii", "backslashreplace").decode()
        if label != expected:
            raise RunError(f"vLLM generates at {label or 'weights that it does not tell'}, and was asked for {expected}.")
        return answer

    def body(self) -> dict[str, Any]:
        """The request for vLLM's part."""
        request, sampling = self._row.request, self._row.request.sampling
        is_choice = ":" in self._place.model
        bias = {str(token): value for token, value in sampling.bias.items()} | {str(token): -100.0 for token in self._unused}
        return {
            "model": self._place.model,
            **({} if is_choice else {"weights": list(self._place.weights)}),
            "prompt": list(request.prompt.tokens),
            "max_tokens": request.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "min_p": sampling.min_p,
            "min_tokens": sampling.min_tokens,
            "presence_penalty": sampling.presence_penalty,
            "frequency_penalty": sampling.frequency_penalty,
            "repetition_penalty": sampling.repetition_penalty,
            "logit_bias": bias,
            "seed": generator_for(sampling.seed, "generate", request.sample).initial_seed(),
            "logprobs": request.logprobs,
            "return_tokens_as_token_ids": True,
            "return_token_ids": True,
            "stream": True,
        }

    def _receive(self, answer: HTTPResponse) -> None:
        """Takes the tokens of a stream of events.

        Raises:
            BusyError: it ends before the text does.
        """
        for line in answer:
            if self._row.is_over:
                return
            if not line.startswith(b"data:"):
                continue
            content = line.removeprefix(b"data:").strip()
            if content == b"[DONE]":
                break
            try:
                self._take(json.loads(content))
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                raise RunError(
                    f"vLLM answered with what is not understood: {_short(content.decode(errors='replace'))}"
                ) from error
        if not self._row.is_over:
            raise _broken()

    def _take(self, event: Mapping[str, Any]) -> None:
        if event.get("error") is not None:
            raise _refusal(event["error"], int(event["error"].get("code") or 500))
        for choice in event["choices"]:
            tokens, logprobs = choice.get("token_ids") or (), choice.get("logprobs")
            for place, token in enumerate(tokens):
                if self._row.is_over:  # by a stop string
                    return
                is_end = token in self._ends
                self._row.take(token, self._ends, None if logprobs is None or is_end else self._scored(logprobs, place, token))
            finish = choice.get("finish_reason")
            if finish is None or self._row.is_over:
                continue
            if finish != "stop":  # an abort, since a text that is long enough is over
                raise _broken()
            self._row.take(-1, (-1,), None)

    def _scored(self, logprobs: Mapping[str, Any], place: int, token: int) -> PlaceScores:
        by_token = {int(name.removeprefix(_TOKEN)): float(value) for name, value in logprobs["top_logprobs"][place].items()}
        by_token.setdefault(token, float(logprobs["token_logprobs"][place]))
        return self._scores.of(by_token, token, self._row.request.logprobs or 0)


def unused_tokens(mask: torch.Tensor | None) -> list[int]:
    """Numbers of the rows of a vocabulary that no token has."""
    return [] if mask is None else mask.nonzero().flatten().tolist()


def _broken() -> BusyError:
    return BusyError("vLLM ended before the text did; send the request again later.")


def _refusal(error: Mapping[str, Any], status: int) -> Exception:
    told = _short(str(error.get("message") or "it does not say why"))
    if 400 <= status < 500 and status not in (401, 404):
        return DataError(f"vLLM refuses the request: {told}")
    return BusyError(f"vLLM failed and may be started again; send the request again later ({told}).")


def _short(text: str) -> str:
    return shorten(text, 200, placeholder=" ...")
