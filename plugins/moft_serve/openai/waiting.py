"""Waits for the events of texts, until they end, their time is over, or their client leaves; then their places are free."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from starlette.requests import ClientDisconnect, Request

from moft.api import TextEvent, TextStream
from moft_serve.http.errors import ApiError


async def whole_texts(streams: Sequence[TextStream], request: Request, seconds: float) -> list[list[TextEvent]]:
    """The events of each text, when all have ended.

    Raises:
        ApiError: the time is over.
        ClientDisconnect: the client is gone.
        MoftError: a text could not be generated.
    """
    work = asyncio.ensure_future(asyncio.gather(*map(_events, streams)))
    left = asyncio.ensure_future(_client_left(request))
    both: set[asyncio.Future[Any]] = {work, left}
    try:
        await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        if left.done():
            raise ClientDisconnect
        raise _late(seconds)
    finally:
        left.cancel()
        _free(streams)
        work.cancel()


async def merged(streams: Sequence[TextStream], seconds: float) -> AsyncIterator[tuple[int, TextEvent]]:
    """The events of all texts as they come, each with the number of its text.

    Raises:
        ApiError: the time is over.
        MoftError: a text could not be generated.
    """
    events: asyncio.Queue[tuple[int, TextEvent] | Exception] = asyncio.Queue()

    async def forward(index: int, stream: TextStream) -> None:
        try:
            async for event in stream:
                events.put_nowait((index, event))
        except Exception as error:
            events.put_nowait(error)

    tasks = [asyncio.ensure_future(forward(index, stream)) for index, stream in enumerate(streams)]
    until, missing = time.monotonic() + seconds, len(streams)
    try:
        while missing:
            try:
                item = await asyncio.wait_for(events.get(), max(0.0, until - time.monotonic()))
            except TimeoutError:
                raise _late(seconds) from None
            if isinstance(item, Exception):
                raise item
            missing -= item[1].finish is not None
            yield item
    finally:
        _free(streams)
        for task in tasks:
            task.cancel()


async def _events(stream: TextStream) -> list[TextEvent]:
    return [event async for event in stream]


async def _client_left(request: Request) -> None:
    """Returns when the connection is closed."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _free(streams: Sequence[TextStream]) -> None:
    for stream in streams:
        stream.cancel()


def _late(seconds: float) -> ApiError:
    return ApiError(504, f"the text did not end within {seconds:g} s.", code="timeout")
