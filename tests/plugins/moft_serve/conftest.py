"""A served ranker: the finished run of the tests, opened once, behind an application of its own for each test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from moft_ltr.data.dataset import open_dataset

if TYPE_CHECKING:
    from moft_serve.models.served_models import Served

TOKEN = "a-token-of-the-tests"
HALF = {"first": 0.5, "second": 0.5}


@pytest.fixture(scope="session")
def opened(finished: Path) -> Served:
    """The run, served as `demo`."""
    from moft.hooks.plugin_manager import Plugins
    from moft_serve.models.served_models import opener

    plugins = Plugins()
    plugins.load()
    return opener(plugins, trust=False, device="cpu")("demo", finished)


@pytest.fixture(scope="session")
def queries(lists: Path, tmp_path_factory: pytest.TempPathFactory) -> list[NDArray[np.float32]]:
    """The features of each test query."""
    data = open_dataset(lists / "test.txt", tmp_path_factory.mktemp("cache"))
    return np.split(np.array(data.features[:, :8]), data.offsets[1:-1])


@pytest.fixture
def app(opened: Served) -> Callable[..., Any]:
    """Makes an application; `more` goes to it, and `open_served` opens a run at a reload."""
    from moft_serve.application import application
    from moft_serve.http.tokens import Tokens
    from moft_serve.models.served_models import Models

    def again(name: str, path: Path) -> Served:
        return replace(opened, name=name, path=path)

    def made(*, tokens: tuple[str, ...] = (), names: tuple[str, ...] = ("demo",), open_served: Any = again, **more: Any) -> Any:
        models = Models([replace(opened, name=name, wishes={}) for name in names])
        return application(models, open_served, tokens=Tokens(tokens), **more)

    return made


@pytest.fixture
def client(app: Callable[..., Any]) -> Callable[..., TestClient]:
    """Makes a client of an application without a server; the arguments are those of `app`."""
    return lambda **given: TestClient(app(**given))


@pytest.fixture
def ask(queries: list[NDArray[np.float32]]) -> Callable[..., dict[str, Any]]:
    """Makes the body of a request for some of the queries, at equal weights; a field that is None is left out."""

    def body(count: int = 1, **fields: Any) -> dict[str, Any]:
        whole = {"weights": HALF, "queries": [{"features": rows.tolist()} for rows in queries[:count]], **fields}
        return {name: value for name, value in whole.items() if value is not None}

    return body
