"""The steering page at `/`, its files, and what it shows of a run."""

from __future__ import annotations

import functools
import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response

from moft import ConfigError, MoftError, RunError
from moft.api import OffersPrompts, OffersQueries
from moft_serve.http.errors import ApiError, ErrorAnswer
from moft_serve.models.served_models import Models, Served
from moft_serve.page.example_query import example_request

ENTRY = Path(__file__).parent / "scripts" / "served_page.js"
EXAMPLES = 5
"""Queries or prompts of the validation split that are offered."""
FILES = {
    "style": ("steering.css", "text/css"),
    "plotly": ("plotly.js", "text/javascript"),
    "script": ("steering.js", "text/javascript"),
}
"""Names and types of the parts of the page."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SAFE = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def page_router(models: Models) -> APIRouter:
    """The routes. Those of the page need no token, since they show nothing of the runs; the data of a run do.

    Args:
        models: that are served.
    """
    router = APIRouter(tags=["page"], responses={"4XX": {"model": ErrorAnswer}})
    page, files = next(iter(models)).run.steering_page, {name: (part, kind) for part, (name, kind) in FILES.items()}

    @functools.cache
    def parts() -> dict[str, bytes]:
        try:
            return {part: text.encode() for part, text in page.parts(ENTRY).items()}
        except ConfigError as error:
            raise ApiError(501, str(error), code="not_installed") from error

    @router.get("/", include_in_schema=False)
    def shell() -> Response:
        """The page, without data."""
        at = {part: f"page/{name}?{hashlib.sha256(parts()[part]).hexdigest()[:16]}" for part, (name, _) in FILES.items()}
        return Response(page.shell(at), media_type="text/html", headers={**_SAFE, "Cache-Control": "no-cache"})

    @router.get("/page/{name}", include_in_schema=False)
    def file(name: str) -> Response:
        """A part of the page; its address changes with its content."""
        if name not in files:
            raise ApiError(404, f"the page has no file {name!r}.", code="not_found")
        part, kind = files[name]
        kept = {**_SAFE, "Cache-Control": "public, max-age=31536000, immutable"}
        return Response(parts()[part], media_type=kind, headers=kept)

    @router.get("/v1/models/{name}/steering")
    def steering(name: str) -> dict[str, Any]:
        """What the page shows of a run: what was measured, what predicts the rest, and choices."""
        try:
            return models.get(name).run.steering_page.data()
        except RunError as error:
            raise ApiError(500, str(error), code="damaged") from error

    @router.get("/v1/models/{name}/examples")
    def examples(name: str) -> list[Any]:
        """The first validation data to try a run on: queries for `/v1/score`, or prompts; none where the data are missing.

        Data that no run has read on this machine yet are converted first, which can take minutes.
        """
        return _examples(models.get(name))

    return router


def _examples(served: Served) -> list[Any]:
    task = served.run.task
    with suppress(MoftError):
        if isinstance(task, OffersPrompts):
            return list(task.example_prompts(EXAMPLES))
        if isinstance(task, OffersQueries) and served.scorer is not None:
            return [example_request(example, served.scorer) for example in task.example_queries(EXAMPLES)]
    return []
