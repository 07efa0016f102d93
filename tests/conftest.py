"""What every test relies on: one thread, a cache of its own, the installed plugins, and the real data where it is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, which reads it once

import pytest
import torch

from moft.hooks.manager import Plugins

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure() -> None:
    """Pins torch to one thread, in every worker."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Points `MOFT_CACHE` to a temporary folder, so that no test reads or fills the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOFT_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("MOFT_DISABLE_PLUGINS", raising=False)
        yield


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Puts torch back to one thread after a test that asked for more."""
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def mslr() -> Path:
    """The folder with real MSLR files: `train.txt`, `vali.txt` and `test.txt`."""
    data = Path(os.environ.get("MOFT_DATA", ROOT.parent / "shared" / "data"))
    folder = data / "ltr" / "mslr"
    if not (folder / "test.txt").exists():
        pytest.skip(f"no MSLR files in {folder}: set MOFT_DATA to a folder that holds ltr/mslr/test.txt")
    return folder


@pytest.fixture
def plugins() -> Plugins:
    """The installed plugins, loaded afresh."""
    loaded = Plugins()
    loaded.load()
    return loaded
