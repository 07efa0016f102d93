"""A served language model, and clients of it in the same process."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import httpx2
import openai
import pytest

from moft.api import TextEngineSettings
from moft_serve.application import application
from moft_serve.http.limits import Limits
from moft_serve.models.served_models import Models, opener

LIMITS = Limits(max_tokens=64, max_texts=8)
TEXTS = TextEngineSettings(rows=4, queue=12)


@pytest.fixture(scope="package")
def served(tuned, tmp_path_factory):
    """A run under the name `tiny`: its application, models and limits."""
    from moft.hooks.plugin_manager import Plugins

    plugins = Plugins()
    plugins.load(disable=["console"])
    open_served = opener(plugins, trust=False, device="cpu", texts=TEXTS)
    models = Models([open_served("tiny", tuned())])
    yield SimpleNamespace(app=application(models, open_served, limits=LIMITS), models=models, open=open_served, limits=LIMITS)
    for one in models:
        one.engine.close(drain=False)


@pytest.fixture
def ask(served):
    """Awaits what a function does with a client of `openai`."""

    def run(act, app=None):
        async def with_client():
            transport = httpx2.ASGITransport(app or served.app)
            async with httpx2.AsyncClient(transport=transport) as http:
                return await act(openai.AsyncOpenAI(base_url="http://here/v1", api_key="none", http_client=http, max_retries=0))

        return asyncio.run(with_client())

    return run
