"""Scores queries of waiting requests together, each at its own weights, in one thread, so that the event loop always answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from moft import MoftError
from moft.api import Tradeoff
from moft_serve.http.logs import log
from moft_serve.http.metrics import Metrics
from moft_serve.models.served_models import Served

Floats = NDArray[np.float32]


@dataclass(eq=False)
class Job:
    """The queries of a request.

    Args:
        served: the run that scores them.
        lists: `[documents, features]` of each query.
        tradeoff: a row for each query.
        scores: will have those of each query.
    """

    served: Served
    lists: Sequence[Floats]
    tradeoff: Tradeoff
    scores: asyncio.Future[list[Floats]]

    @property
    def documents(self) -> int:
        """Of all queries."""
        return sum(map(len, self.lists))


class Batcher:
    """Takes what waits for one run as one batch, and what came meanwhile as the next one.

    Args:
        documents: most of a batch, unless one request has more.
        metrics: to count in.
    """

    def __init__(self, documents: int, metrics: Metrics) -> None:
        self._documents, self._metrics = documents, metrics
        self._waiting: deque[Job] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="moft-scores")
        self._work: asyncio.Task[None] | None = None

    async def scores(self, served: Served, lists: Sequence[Floats], tradeoff: Tradeoff) -> list[Floats]:
        """The scores of each query, `[documents]`.

        Args:
            served: the run.
            lists: `[documents, features]` of each query.
            tradeoff: a row for each query.

        Raises:
            MoftError: these queries cannot be scored; those of others in the batch are.
        """
        job = Job(served, lists, tradeoff, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        self._count()
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._score_all())
        return await job.scores

    def close(self) -> None:
        """Ends the thread, after what it computes."""
        self._thread.shutdown(wait=True)

    async def _score_all(self) -> None:
        """Batch after batch, until nothing waits."""
        while jobs := self._next():
            await self._score(jobs)

    def _next(self) -> list[Job]:
        """The jobs of the next batch: the first that waits, and those for the same run that fit beside it."""
        jobs: list[Job] = []
        left: deque[Job] = deque()
        documents = 0
        while self._waiting:
            job = self._waiting.popleft()
            if job.scores.done():  # its client waits no more
                continue
            fits = not jobs or (job.served is jobs[0].served and documents + job.documents <= self._documents)
            if fits:
                documents += job.documents
                jobs.append(job)
            else:
                left.append(job)
        self._waiting = left
        self._count()
        return jobs

    async def _score(self, jobs: list[Job]) -> None:
        """Scores a batch; where that fails, each of its jobs alone, so that only what is wrong fails."""
        name, began = jobs[0].served.name, time.perf_counter()
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._thread, _scores, jobs)
        except Exception as error:
            if len(jobs) == 1:
                if not isinstance(error, MoftError):
                    log("error", logging.ERROR, error=error, model=name)
                if not jobs[0].scores.done():
                    jobs[0].scores.set_exception(error)
                return
            for job in jobs:
                await self._score([job])
            return
        self._metrics.batch_seconds.labels(name).observe(time.perf_counter() - began)
        self._metrics.batch_queries.labels(name).observe(sum(len(job.lists) for job in jobs))
        self._metrics.batch_documents.labels(name).observe(sum(job.documents for job in jobs))
        for job, scores in zip(jobs, found, strict=True):
            if not job.scores.done():
                job.scores.set_result(scores)

    def _count(self) -> None:
        self._metrics.waiting.set(sum(len(job.lists) for job in self._waiting))


def _scores(jobs: Sequence[Job]) -> list[list[Floats]]:
    """The scores of each query of each job."""
    scorer = jobs[0].served.scorer
    if scorer is None:
        raise TypeError(f"{jobs[0].served.name} is no ranker")
    lists = [rows for job in jobs for rows in job.lists]
    whole = [job.tradeoff.expand(len(job.lists)) for job in jobs]
    tradeoff = Tradeoff(torch.cat([each.weights for each in whole]), torch.cat([each.betas for each in whole]))
    scores = iter(scorer(lists, tradeoff))
    return [[next(scores) for _ in job.lists] for job in jobs]
