"""What the text engine of `moft serve` costs: many weightings against one, and running batches against one batch after another.

Many weightings: 16 texts at 16 weightings against 16 texts at one, in turn; reported is the ratio of tokens per second.
Running batches: texts of different lengths are asked for at random times, a little slower than the engine can generate. The
engine lets them join its running batch. Against it, everything that has come is generated as one batch, then what came
meanwhile, as a server does without running batches. Reported is the ratio of tokens per second from the first request to the
last token, and how long a text takes.

Run it, on a run of configs/llm/stories.yaml:  python benchmarks/serve_text.py RUN
"""

from __future__ import annotations

import argparse
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.distributions import Dirichlet

from moft import open_run
from moft.api import TextEngine, TextEngineSettings, TextRequest, TokenSampling, Tradeoff

ROWS = 16
TOKENS = 96
SHORTEST, MEAN, LONGEST = 8, 48, 256
"""Tokens of a text whose request comes at a random time; lengths are exponentially distributed, as answers of chats are."""
LOAD = 0.9
"""Tokens that are asked for in a second, as a share of those that the engine generates with all places taken."""
PROMPTS = tuple(
    f"{start} {who}"
    for start in ("Once upon a time, there was", "One day, in a big forest,", "Tom and his mom met", "It was cold, and")
    for who in ("a little dog", "a girl named Lily", "the old king", "two small birds")
)


@dataclass(frozen=True)
class Arrival:
    """A text that is asked for.

    Args:
        seconds: after the first one.
        request: of it.
    """

    seconds: float
    request: TextRequest


def main() -> None:
    """Prints both tables and writes JSON."""
    from benchmarks.support.reporting import format_summary, machine, paired_ratio, print_table, summary, write_result

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--rounds", type=int, default=9, help="of 16 texts at many weightings and at one")
    parser.add_argument("--arrivals", type=int, default=192, help="texts that come at random times")
    parser.add_argument("--repeats", type=int, default=3, help="of these arrivals")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    server = _Server(options.run, options.threads)
    rates = {"many": [], "one": []}  # type: dict[str, list[float]]
    server.rate(0, is_mixed=True)
    for number in range(1, options.rounds + 1):
        for name in ("many", "one") if number % 2 else ("one", "many"):
            rates[name].append(server.rate(number, is_mixed=name == "many"))
    mixed = paired_ratio(rates["many"], rates["one"])
    print_table(
        f"{ROWS} texts of {TOKENS} tokens together: tokens per second, median (quartiles) of {options.rounds} rounds",
        ("", "16 weightings", "one weighting", "ratio"),
        [["", *(format_summary(summary(rates[name]), 0) for name in ("many", "one")), format_summary(mixed, 3)]],
    )
    capacity = summary(rates["many"])["median"]
    found = {"running": [], "batches": []}  # type: dict[str, list[dict[str, float]]]
    for repeat in range(options.repeats):
        arrivals = server.arrivals(options.arrivals, LOAD * capacity / MEAN, seed=repeat)
        found["running"].append(server.running(arrivals))
        found["batches"].append(server.batch_after_batch(arrivals))
    ratio = paired_ratio(*([one["rate"] for one in found[name]] for name in ("running", "batches")))
    rows = [
        [
            title,
            *(
                format_summary(summary([one[key] for one in found[name]]), digits)
                for key, digits in (("rate", 0), ("seconds", 2))
            ),
        ]
        for name, title in (("running", "running batch"), ("batches", "one batch after another"))
    ]
    print_table(
        f"{options.arrivals} texts that come at random times, median (quartiles) of {options.repeats} repeats; "
        f"ratio of the rates {format_summary(ratio)}",
        ("", "tokens per second", "seconds to a whole text"),
        rows,
    )
    server.engine.close()
    content = {"machine": machine("transformers", "peft"), "model": str(server.model), "rows": ROWS, "tokens": TOKENS,
               "threads": options.threads, "mixed": {"rates": rates, "ratio": mixed},
               "arrivals": {"texts": options.arrivals, "load": LOAD, "found": found, "ratio": ratio}}  # fmt: skip
    write_result("serve-text", content)


class _Server:
    """A run, its engine, and `moft generate` of the same policy.

    Args:
        path: of the run.
        threads: of the CPU.
    """

    def __init__(self, path: Path, threads: int) -> None:
        from moft_llm.generation.opened_llm_run import LLMRun
        from moft_llm.serving.engine import BatchedEngine

        self._run = LLMRun(path, "serve_text.py", threads, opened=open_run(path, device="cpu"))
        self.engine: TextEngine = BatchedEngine(self._run, TextEngineSettings(rows=ROWS, queue=100_000, threads=threads))
        self._prompts = [self.engine.text(text, "prompt") for text in PROMPTS]
        self.model = Path(str(self._run.task.source["model"])).name

    def rate(self, number: int, *, is_mixed: bool) -> float:
        """Tokens per second of 16 texts together; no weighting was used before."""
        weights = self._weights(2 * number + is_mixed, ROWS if is_mixed else 1)
        sampling = TokenSampling(seed=number)
        requests = [
            TextRequest(self._prompts[place % len(PROMPTS)], weights[place % len(weights)], TOKENS, sampling, place)
            for place in range(ROWS)
        ]
        started = time.perf_counter()
        streams = self.engine.submit(requests)
        tokens = sum(event.token is not None for stream in streams for event in stream)
        return tokens / (time.perf_counter() - started)

    def arrivals(self, count: int, rate: float, seed: int) -> list[Arrival]:
        """Requests at random times, `rate` of them in a second, each at weights of its own."""
        draw, seconds = random.Random(seed), 0.0
        found = []
        for place, weights in enumerate(self._weights(1000 + seed, count)):
            length = min(LONGEST, SHORTEST + round(draw.expovariate(1 / (MEAN - SHORTEST))))
            prompt = self._prompts[place % len(PROMPTS)]
            found.append(Arrival(seconds, TextRequest(prompt, weights, length, TokenSampling(seed=seed), place)))
            seconds += draw.expovariate(rate)
        return found

    def running(self, arrivals: Sequence[Arrival]) -> dict[str, float]:
        """Each request is submitted when it comes."""
        started, ends, counts = time.perf_counter(), [0.0] * len(arrivals), [0] * len(arrivals)

        def read(place: int, stream: Any) -> None:
            counts[place] = sum(event.token is not None for event in stream)
            ends[place] = time.perf_counter() - started

        readers = []
        for place, one in enumerate(arrivals):
            time.sleep(max(0.0, started + one.seconds - time.perf_counter()))
            readers.append(threading.Thread(target=read, args=(place, self.engine.submit([one.request])[0])))
            readers[-1].start()
        for reader in readers:
            reader.join()
        return _told(arrivals, ends, counts)

    def batch_after_batch(self, arrivals: Sequence[Arrival]) -> dict[str, float]:
        """What has come is generated as one batch, up to 16 texts; then what came meanwhile."""
        from moft.api import generator_for
        from moft_llm.generation.decoding import Decoding
        from moft_llm.generation.generate import generate

        started, ends, counts = time.perf_counter(), [0.0] * len(arrivals), [0] * len(arrivals)
        first = 0
        while first < len(arrivals):
            time.sleep(max(0.0, started + arrivals[first].seconds - time.perf_counter()))
            now = time.perf_counter() - started
            places = [place for place in range(first, min(first + ROWS, len(arrivals))) if arrivals[place].seconds <= now]
            asked = [arrivals[place].request for place in places]
            rows = Tradeoff(torch.cat([one.tradeoff.weights for one in asked]), torch.cat([one.tradeoff.betas for one in asked]))
            decoding = Decoding(max_new_tokens=max(one.max_tokens for one in asked))
            generators = [generator_for(one.sampling.seed, "generate", one.sample) for one in asked]
            texts = generate(self._run.assignments(rows), [one.prompt.tokens for one in asked], decoding, generators=generators)
            for place, one, text in zip(places, asked, texts, strict=True):
                ends[place], counts[place] = time.perf_counter() - started, min(len(text), one.max_tokens)
            first += len(places)
        return _told(arrivals, ends, counts)

    def _weights(self, seed: int, count: int) -> list[Tradeoff]:
        """Tradeoffs of one row at random weights."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            drawn = Dirichlet(torch.ones(len(self._run.opened.names))).sample((count,))
        return [Tradeoff(row.unsqueeze(0), self._run.opened.trained_betas) for row in drawn]


def _told(arrivals: Sequence[Arrival], ends: Sequence[float], counts: Sequence[int]) -> dict[str, float]:
    """Tokens per second, and mean seconds from a request to the end of its text."""
    waits = [end - one.seconds for end, one in zip(ends, arrivals, strict=True)]
    return {"rate": sum(counts) / max(ends), "seconds": sum(waits) / len(waits), "tokens": float(sum(counts))}


if __name__ == "__main__":
    main()
