"""Times vLLM with an exported policy: tokens per second of 16 requests at 16 weightings, against 16 at one.

MOFT_VLLM_PYTHON=... python -m benchmarks.vllm_mixed_weights RUN NAME
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import moft
from benchmarks.support.reporting import machine, print_table, write_result
from benchmarks.support.vllm_server import ask_all, vllm_server
from moft.cli.app import main as command

REQUESTS, TOKENS, TRIES = 16, 128, 24
STARTS = ["Once upon a time", "The little dog", "Lily saw a big", "One day, Tom"]


def main(run: str, name: str) -> None:
    """Alternates both kinds of batches, and writes the ratio of their best speeds."""
    with TemporaryDirectory() as place:
        out = Path(place) / "out"
        if command(["export", run, str(out), "--for", "vllm"]):
            sys.exit(1)
        names = moft.open_run(Path(run)).names
        options = ("--slots", str(REQUESTS), "--max-num-seqs", str(REQUESTS), "--no-enable-prefix-caching")
        with vllm_server(out, Path(place) / "log", *options) as url:
            seconds = _seconds(url, len(names))
    speed = {kind: REQUESTS * TOKENS / min(times) for kind, times in seconds.items()}
    typical = {kind: REQUESTS * TOKENS / median(times) for kind, times in seconds.items()}
    ratio = speed["16 weightings"] / speed["one weighting"]
    rows = [[kind, f"{speed[kind]:.0f}", f"{typical[kind]:.0f}"] for kind in seconds]
    print_table("16 requests of 128 tokens on vLLM", ["requests", "tokens/s, best", "median"], rows)
    print(f"16 weightings run at {ratio:.3f} of the speed of one: the best of {TRIES} batches each, for other load only slows.")
    content = {"machine": machine(), "requests": REQUESTS, "tokens": TOKENS, "tokens_per_second": speed, "ratio": ratio}
    write_result(name, {**content, "median_tokens_per_second": typical, "seconds": seconds})


def _seconds(url: str, count: int) -> dict[str, list[float]]:
    """The time of each batch, by kind; each kind is run twice before it is timed, and goes first every other time."""
    prompts = [f"{STARTS[number % 4]} {number}" for number in range(REQUESTS)]
    at_one = [[1 / count] * count] * REQUESTS
    at_many = []
    for number in range(REQUESTS):
        first = (number + 0.5) / REQUESTS
        at_many.append([first] + [(1 - first) / (count - 1)] * (count - 1))
    kinds = {"one weighting": at_one, "16 weightings": at_many}
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(TRIES + 2):
        for kind, weights in list(kinds.items())[:: 1 if number % 2 else -1]:
            bodies = [
                {"model": "moft", "weights": row, "prompt": prompt, "max_tokens": TOKENS, "ignore_eos": True, "seed": number}
                for row, prompt in zip(weights, prompts, strict=True)
            ]
            start = time.perf_counter()
            ask_all(url, "/v1/completions", bodies, REQUESTS)
            if number > 1:
                seconds[kind].append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    main(*sys.argv[1:])
