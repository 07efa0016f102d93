"""The requests of a soak, good ones with what the library gives for them, and bad ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support.served_run import request_bytes

TOKEN, LARGEST = "token-of-the-soak", 200_000
"""Which the server asks for, and bytes of a body that it takes."""
STARTS = ("Once upon a time", "The little dog", "Lily saw a big", "One day, Tom")


@dataclass(frozen=True)
class Good:
    """A request, and what finds faults in its answer, beside the largest difference of its numbers from those of the library."""

    path: str
    body: dict[str, Any]
    faults: Callable[[Any], tuple[list[str], float]]

    @cached_property
    def request(self) -> bytes:
        """In bytes."""
        return request_bytes(self.path, json.dumps(self.body).encode(), token=TOKEN)


def good_requests(folder: Path, count: int) -> list[Good]:
    """Requests at weights of their own, with what the library gives for them."""
    import torch

    import moft as public
    from moft.api import OffersPrompts

    torch.set_num_threads(1)
    run = public.open_run(folder, device="cpu")
    return _of_texts(run, count) if isinstance(run.task, OffersPrompts) else _of_rankings(run, count)


def _of_rankings(run: Any, count: int) -> list[Good]:
    """Up to four made-up queries in each."""
    draws, found = np.random.default_rng(0), []
    scorer, m = run.batch_scorer(), len(run.names)
    for _ in range(count):
        lists = [
            np.round(draws.standard_normal((draws.integers(1, 40), len(scorer.features))), 3) for _ in range(draws.integers(1, 5))
        ]
        weights = [(drawn / drawn.sum()).tolist() for drawn in draws.exponential(size=(len(lists), m))]
        dial = float(draws.choice([0.5, 1.0, 4.0]))
        queries = [{"features": rows.tolist(), "weights": row} for rows, row in zip(lists, weights, strict=True)]
        scores = scorer(lists, run.tradeoffs([(row, dial, "") for row in weights]))
        found.append(Good("/v1/score", {"queries": queries, "dial": dial}, partial(_faults_of_scores, weights, scores)))
    return [good for good in found if len(good.request) < LARGEST]


def _faults_of_scores(weights: Sequence[Sequence[float]], expected: Sequence[Any], answer: Any) -> tuple[list[str], float]:
    faults, largest = [], 0.0
    for result, row, scores in zip(answer["results"], weights, expected, strict=True):
        difference = float(np.abs(np.array(result["scores"]) - scores).max())
        largest = max(largest, difference)
        if len(result["scores"]) != len(scores) or difference > 1e-6 * max(1.0, float(np.abs(scores).max())):
            faults.append(f"scores differ by {difference:g}")
        if not np.allclose(list(result["tradeoff"]["weights"].values()), row, atol=1e-6):
            faults.append("other weights were echoed")
    return faults, largest


def _of_texts(run: Any, count: int) -> list[Good]:
    """A chat in each, answered greedily."""
    draws = np.random.default_rng(0)
    prompts = [f"{STARTS[number % len(STARTS)]} {'and then ' * int(draws.integers(8))}".strip() for number in range(count)]
    weights = [(drawn / drawn.sum()).round(6).tolist() for drawn in draws.exponential(size=(count, len(run.names)))]
    dials = draws.choice([0.5, 1.0, 4.0], size=count).tolist()
    lengths = draws.integers(1, 24, size=count).tolist()
    texts = run.generate(prompts, weights, dial=dials, greedy=True, max_new_tokens=lengths)
    found = []
    for prompt, row, dial, length, text in zip(prompts, weights, dials, lengths, texts, strict=True):
        body = {"messages": [{"role": "user", "content": prompt}], "temperature": 0, "max_tokens": length}
        steered = {"weights": row, "dial": dial}
        found.append(Good("/v1/chat/completions", body | steered, partial(_faults_of_text, row, text.text)))
    return found


def _faults_of_text(weights: Sequence[float], expected: str, answer: Any) -> tuple[list[str], float]:
    text, faults = answer["choices"][0]["message"]["content"], []
    if text != expected:
        faults.append(f"{text!r} in place of {expected!r}")
    if not np.allclose(list(answer["tradeoff"]["weights"].values()), weights, atol=1e-5):
        faults.append("other weights were echoed")
    return faults, 0.0


def bad_requests(good: Good) -> dict[str, tuple[int, bytes]]:
    """Requests that have to be refused, by what is wrong with them, with the status."""

    def bad(body: Any, token: str = TOKEN) -> bytes:
        return request_bytes(good.path, json.dumps(body).encode(), token=token)

    m = len(good.body.get("weights") or good.body["queries"][0]["weights"])
    kept = {name: value for name, value in good.body.items() if name not in ("queries", "messages")}
    unbalanced = {**good.body, "weights": [2.0] * m}
    if "queries" in good.body:
        unbalanced["queries"] = [{"features": query["features"]} for query in good.body["queries"]]
    return {
        "no JSON": (400, request_bytes(good.path, b'{"queries": [', token=TOKEN)),
        "wrong weights": (400, bad(unbalanced)),
        "nothing to do": (400, bad({**kept, "queries" if "queries" in good.body else "messages": []})),
        "another model": (404, bad({**good.body, "model": "other"})),
        "too large": (413, request_bytes(good.path, b" " * (LARGEST + 1), token=TOKEN)),
        "wrong token": (401, bad(good.body, "another-token")),
    }
