"""Probes and metrics: `/health/live`, `/health/ready` and `/metrics`."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from moft_serve.http.gate import Traffic
from moft_serve.http.metrics import Metrics
from moft_serve.models.served_models import Models


def health_router(models: Models, traffic: Traffic, metrics: Metrics) -> APIRouter:
    """The routes.

    Args:
        models: that are served.
        traffic: says whether the server stops.
        metrics: to show.
    """
    router = APIRouter(tags=["health"])

    @router.get("/health/live")
    async def live() -> dict[str, str]:
        """Whether the process answers at all; if not, start it again."""
        return {"status": "ok"}

    @router.get("/health")
    @router.get("/health/ready")
    async def ready(response: Response) -> dict[str, str]:
        """Whether requests may be sent here: 503 while the server stops, or while one of its text engines is not there."""
        if traffic.is_stopping:
            response.status_code = 503
            return {"status": "stopping"}
        ended = [served.name for served in models if served.engine is not None and not served.engine.is_alive]
        if ended:
            response.status_code = 503
            return {"status": f"generates no text of {', '.join(ended)} now"}
        return {"status": "ok"}

    @router.get("/metrics", response_class=Response)
    async def shown() -> Response:
        """Metrics in the text format of Prometheus."""
        for served in models:
            metrics.opened.labels(served.name).set(served.opened)
            if served.engine is not None:
                metrics.texts_running.labels(served.name).set(served.engine.running)
                metrics.texts_up.labels(served.name).set(served.engine.is_alive)
                metrics.texts_waiting.labels(served.name).set(served.engine.waiting)
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router
