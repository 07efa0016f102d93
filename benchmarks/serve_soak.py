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
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ltr_hot_path import CONFIG, POLICIES, moft
from benchmarks.support.reporting import machine, print_table, write_result
from benchmarks.support.served_run import Connection, ServedRun, request_bytes, served_run
from benchmarks.support.soak_requests import LARGEST, TOKEN, Good, bad_requests, good_requests

PORT = 8766
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
