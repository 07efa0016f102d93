"""A soak of `moft serve`: many clients for some minutes, with mixed weights; a tenth of the requests is bad; answers are checked.

A ranker is trained for a short time on synthetic queries, unless a run is given. Each client sends one request after the other.
Nine of ten are good: up to four queries with weights of their own, whose scores have to be those of the library; for a language
model a chat, whose greedy text has to be that of `run.generate`. Others are no JSON, have wrong weights, are too large, have
a wrong token, or end in the middle. Halfway the run is reloaded. In the end the server is stopped while all clients are
sending: what it accepted has to be answered.

Run it:  python benchmarks/serve_soak.py [--minutes 10] [--clients 100] [--run FOLDER] [--out NAME]
         python benchmarks/serve_soak.py --run runs/stories --out serve-soak-text
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ltr_hot_path import CONFIG, POLICIES, moft
from benchmarks.support.reporting import machine, print_table, write_result
from benchmarks.support.served_run import Connection, ServedRun, request_bytes, served_run

PORT, TOKEN, LARGEST = 8766, "token-of-the-soak", 200_000
STARTS = ("Once upon a time", "The little dog", "Lily saw a big", "One day, Tom")
FLAT = 0.05
"""Growth of memory that is allowed, from a tenth of the time on."""
RSS = "process_resident_memory_bytes"


@dataclass
class Tally:
    """What clients saw.

    Args:
        statuses: of answers to good requests.
        refusals: of answers to bad ones.
        wrong: answers that were not the right ones.
        lost: good requests without an answer.
        unanswered: the same once the server was told to stop; a connection that is closed by then was not accepted.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unanswered: int = 0
    largest_difference: float = 0.0


@dataclass(frozen=True)
class Good:
    """A request, and what finds faults in its answer, beside the largest difference of its numbers from those of the library."""

    path: str
    body: dict[str, Any]
    faults: Callable[[Any], tuple[list[str], float]]

    @property
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


def check(good: Good, content: bytes, tally: Tally) -> None:
    """Checks an answer against the library."""
    faults, difference = good.faults(json.loads(content))
    tally.wrong += faults
    tally.largest_difference = max(tally.largest_difference, difference)


async def client(number: int, port: int, requests: Sequence[Good], ending: asyncio.Event, tally: Tally) -> None:
    """Sends one request after the other until the server stops."""
    draws, connection = np.random.default_rng(number), Connection(port)
    bad = bad_requests(requests[number % len(requests)])
    while True:
        chosen = requests[int(draws.integers(len(requests)))]
        if draws.random() >= 0.1:
            try:
                status, content = await connection.ask(chosen.request)
            except (OSError, asyncio.IncompleteReadError) as error:
                connection.close()
                if ending.is_set():
                    tally.unanswered += 1
                    return
                tally.lost.append(repr(error))
                continue
            tally.statuses[status] += 1
            if status == 200:
                check(chosen, content, tally)
            elif status == 503 and ending.is_set():
                connection.close()
                return
            elif status == 429:
                await asyncio.sleep(1)
            else:
                tally.wrong.append(f"a good request got {status}: {content[:200]!r}")
            continue
        try:
            name = str(draws.choice([*bad, "went away"]))
            if name == "went away":
                await connection.leave_in(chosen.request)
                tally.refusals[name] += 1
                continue
            expected, request = bad[name]
            status, content = await connection.ask(request)
            tally.refusals[name] += 1
            is_error = set(json.loads(content)) == {"error"}
            if not ending.is_set() and (status not in (expected, 429) or not is_error):
                tally.wrong.append(f"{name} got {status}: {content[:200]!r}")
        except (OSError, asyncio.IncompleteReadError):
            connection.close()  # the server may close a connection on which too much is sent
            tally.refusals[f"{name}, closed"] += 1
            if ending.is_set():
                return


async def soak(server: ServedRun, requests: Sequence[Good], minutes: float, clients: int) -> tuple[Tally, dict[str, Any]]:
    """What all clients saw, and the memory of the server, in MiB."""
    tally, ending, began = Tally(), asyncio.Event(), time.monotonic()
    tasks = [asyncio.create_task(client(number, server.port, requests, ending, tally)) for number in range(clients)]
    memory, reloads, is_reloaded = list[tuple[float, float]](), 0, False
    reload = request_bytes("/v1/models/soak/reload", b"", token=TOKEN)
    while (passed := time.monotonic() - began) < 60 * minutes:
        await asyncio.sleep(min(2.0, 6 * minutes))
        memory.append((passed, await asyncio.to_thread(server.metric, RSS, TOKEN) / 2**20))
        if not is_reloaded and passed > 30 * minutes:
            is_reloaded = True
            status, content = await Connection(server.port).ask(reload)
            reloads += status == 200
            if status != 200:
                tally.wrong.append(f"the reload got {status}: {content[:200]!r}")
    ending.set()
    server.process.terminate()
    await asyncio.gather(*tasks)
    await asyncio.to_thread(server.process.wait, 60)
    first = [size for passed, size in memory if 6 * minutes < passed <= 30 * minutes] or [memory[0][1]]
    last = [size for passed, size in memory if passed > 0.9 * 60 * minutes] or [memory[-1][1]]
    growth = float(np.median(last) / np.median(first) - 1)
    sizes = {"MiB before the reload": float(np.median(first)), "MiB in the end": float(np.median(last)), "growth": growth}
    return tally, {**sizes, "reloads": reloads}


def measure(minutes: float, clients: int, run: Path | None) -> dict[str, Any]:
    """The findings of a soak."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if run is None:
            run = folder / "network"
            base, method = POLICIES["network"]
            moft("data", "make", "synthetic", f"{folder}/data", "--lists=100", "--items=30", "--features=131")
            (folder / "config.yaml").write_text(CONFIG.format(data=folder / "data", base=base, method=method), encoding="utf-8")
            moft("train", f"{folder}/config.yaml", "--out", str(run))
        (folder / "tokens").write_text(TOKEN + "\n", encoding="utf-8")
        requests = good_requests(run, 200)
        options = ["--token-file", str(folder / "tokens"), "--max-body", str(LARGEST)]
        with served_run(PORT, [f"soak={run}"], *options, log=folder / "server.log") as server:
            tally, memory = asyncio.run(soak(server, requests, minutes, clients))
        text = (folder / "server.log").read_text(encoding="utf-8")
    events = Counter(json.loads(line)["event"] for line in text.splitlines())
    found = {
        "minutes": minutes,
        "clients": clients,
        "good requests": {str(status): count for status, count in sorted(tally.statuses.items())},
        "bad requests": dict(sorted(tally.refusals.items())),
        "wrong answers": len(tally.wrong),
        "lost requests": len(tally.lost),
        "requests without an answer after the stop": tally.unanswered,
        "largest difference": tally.largest_difference,
        "tracebacks in the log": events["error"],
        "memory": memory,
        "first findings": [*tally.wrong[:5], *tally.lost[:5]],
    }
    is_met = not (tally.wrong or tally.lost or events["error"]) and memory["growth"] <= FLAT and memory["reloads"] == 1
    return {**found, "met": is_met}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--run", type=Path, help="run folder; without, a ranker is trained")
    parser.add_argument("--out", default="serve-soak", help="name of the result")
    options = parser.parse_args()
    found = measure(options.minutes, options.clients, options.run)
    print_table("A soak of moft serve", ["what", "found"], [[name, str(value)] for name, value in found.items()])
    write_result(options.out, {"machine": machine("lightgbm", "fastapi", "uvicorn"), **found})


if __name__ == "__main__":
    main()
