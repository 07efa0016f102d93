"""How many queries of 100 documents a minute `moft serve` scores on one core, and how long each takes at half of the asked load.

Synthetic queries (131 features, two objectives) are made in a temporary folder, and trees and a network, both over a LightGBM
base, are trained on them for a short time. The server may use one processor, and the client uses the others. Each request has one
query, as JSON. First 16 connections send one request after the other, for some seconds with one weighting and for as many with
another weighting for each request, in turn. Then requests arrive at random moments, 1,000 a minute, half of the 2,000 that are
asked for. About five minutes.

Run it:  python benchmarks/serve_rankers.py [--seconds 10] [--rounds 5] [--lists 300]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ltr_hot_path import CONFIG, FEATURES, ITEMS, POLICIES, moft
from benchmarks.support.reporting import format_summary, machine, paired_ratio, print_table, summary, write_result
from benchmarks.support.served_run import Connection, request_bytes, served_run

PORT, CONNECTIONS, BODIES = 8765, 16, 256
ASKED = 2_000
"""Queries a minute."""
LATENCY = 30.0
"""Milliseconds, the 99th percentile, at half of that load."""
MIXED = 0.95
"""Throughput with mixed weights, as a share of that with one weighting."""


def bodies(*, is_mixed: bool) -> list[bytes]:
    """Requests with one query each."""
    draws = np.random.default_rng(0)
    found = []
    for _ in range(BODIES):
        rows = np.round(draws.standard_normal((ITEMS, FEATURES)), 4).tolist()
        first = round(float(draws.random()), 3) if is_mixed else 0.3
        body = {"weights": {"first": first, "second": 1 - first}, "queries": [{"features": rows}]}
        found.append(request_bytes("/v1/score", json.dumps(body).encode()))
    return found


async def _answered(connection: Connection, request: bytes) -> None:
    status, body = await connection.ask(request)
    if status != 200:
        raise SystemExit(f"the server answers {status}: {body[:300]!r}")


async def throughput(port: int, requests: Sequence[bytes], seconds: float) -> float:
    """Queries a minute over all connections."""
    until, count = time.perf_counter() + seconds, 0

    async def one(place: int) -> None:
        nonlocal count
        connection = Connection(port)
        while time.perf_counter() < until:
            await _answered(connection, requests[place % len(requests)])
            place, count = place + CONNECTIONS, count + 1
        connection.close()

    began = time.perf_counter()
    await asyncio.gather(*(one(place) for place in range(CONNECTIONS)))
    return 60 * count / (time.perf_counter() - began)


async def latencies(port: int, requests: Sequence[bytes], rate: float, seconds: float) -> list[float]:
    """Milliseconds of each request, from the moment at which it was due, at random moments.

    Args:
        port: of the server.
        requests: to send.
        rate: of them, a second.
        seconds: how long.
    """
    due = np.cumsum(np.random.default_rng(1).exponential(1 / rate, int(rate * seconds)))
    free = [Connection(port) for _ in range(CONNECTIONS)]
    taken, began = list[float](), time.perf_counter()

    async def one(place: int) -> None:
        await asyncio.sleep(max(0.0, began + due[place] - time.perf_counter()))
        connection = free.pop() if free else Connection(port)
        await _answered(connection, requests[place % len(requests)])
        taken.append(1e3 * (time.perf_counter() - began - due[place]))
        free.append(connection)

    await asyncio.gather(*map(one, range(len(due))))
    for connection in free:
        connection.close()
    return taken


def measure(seconds: float, rounds: int, lists: int) -> dict[str, Any]:
    """The throughput and the latencies of each policy."""
    found: dict[str, Any] = {}
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, cores[1:])  # of the client
    one, mixed = bodies(is_mixed=False), bodies(is_mixed=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        moft("data", "make", "synthetic", f"{folder}/data", f"--lists={lists}", f"--items={ITEMS}", f"--features={FEATURES}")
        for name in ("trees", "network"):
            base, method = POLICIES[name]
            (folder / "config.yaml").write_text(CONFIG.format(data=folder / "data", base=base, method=method), encoding="utf-8")
            moft("train", f"{folder}/config.yaml", "--out", f"{folder}/{name}")
            with served_run(PORT, [folder / name], log=folder / f"{name}.log", core=cores[0]) as server:
                asyncio.run(throughput(server.port, mixed, 2.0))  # warms up
                pairs = [
                    (asyncio.run(throughput(server.port, one, seconds)), asyncio.run(throughput(server.port, mixed, seconds)))
                    for _ in range(rounds)
                ]
                taken = asyncio.run(latencies(server.port, mixed, ASKED / 2 / 60, seconds * rounds))
            by_one, by_mixed = (summary(values) for values in zip(*pairs, strict=True))
            ratio, p99 = paired_ratio([pair[1] for pair in pairs], [pair[0] for pair in pairs]), float(np.quantile(taken, 0.99))
            found[name] = {
                "queries a minute, one weighting": by_one,
                "queries a minute, mixed weights": by_mixed,
                "mixed to one": ratio,
                "requests at 1,000 a minute": len(taken),
                "median milliseconds": float(np.median(taken)),
                "99th percentile": p99,
                "met": {
                    "queries a minute": by_mixed["median"] >= ASKED,
                    "99th percentile": p99 <= LATENCY,
                    "mixed to one": ratio["median"] >= MIXED,
                },
            }
    return {"documents": ITEMS, "features": FEATURES, "connections": CONNECTIONS, "seconds": seconds, "policies": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lists", type=int, default=300, help="training queries")
    options = parser.parse_args()
    found = measure(options.seconds, options.rounds, options.lists)
    rows = [
        [
            name,
            format_summary(row["queries a minute, one weighting"], 0),
            format_summary(row["queries a minute, mixed weights"], 0),
            format_summary(row["mixed to one"]),
            f"{row['median milliseconds']:.1f}",
            f"{row['99th percentile']:.1f}",
        ]
        for name, row in found["policies"].items()
    ]
    headers = ["policy", "queries/min, one weighting", "queries/min, mixed", "mixed to one", "median ms", "99th percentile ms"]
    print_table("Queries of 100 documents over HTTP, one core", headers, rows)
    targets = {"queries a minute": ASKED, "99th percentile, milliseconds": LATENCY, "mixed to one": MIXED}
    write_result("serve-rankers", {"machine": machine("lightgbm", "fastapi", "uvicorn"), **found, "targets": targets})


if __name__ == "__main__":
    main()
