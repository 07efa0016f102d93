"""Routes whose JSON bodies are read like those of all others of the server: a key that is given twice is refused, too."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from moft_serve.http.json_body import json_fields


class _JsonRequest(Request):
    async def json(self) -> Any:
        return json_fields(await self.body())


class JsonRoute(APIRoute):
    """A route with a JSON body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        answer = super().get_route_handler()

        async def read_and_answer(request: Request) -> Response:
            return await answer(_JsonRequest(request.scope, request.receive))

        return read_and_answer
