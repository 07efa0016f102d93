"""Adapters are written once, kept while they are used, and deleted in the order of their last use."""

from __future__ import annotations

import pytest

from moft_vllm import served
from moft_vllm.adapters import Adapters
from moft_vllm.policy import Policy


@pytest.fixture
def adapters(exported, tmp_path):
    return Adapters(Policy.read(exported("hyper-lora")), kept=2, root=tmp_path)


def test_a_folder_is_made_for_a_name_in_use_only(adapters, tmp_path):
    assert adapters.folder("moft:a") is None
    adapters.use("moft:a", [1, 0])
    folder = adapters.folder("moft:a")
    assert (folder / "adapter_model.safetensors").exists()
    assert adapters.folder("moft:a") == folder
    assert len(list(tmp_path.iterdir())) == 1


def test_the_oldest_that_nobody_uses_go_first_and_never_one_in_use(adapters):
    for name in "abcd":
        adapters.use(name, [0.5, 0.5])
    folders = {name: adapters.folder(name) for name in "abcd"}
    assert adapters.surplus() == []
    for name in "bca":
        adapters.leave(name)
    adapters.use("b", [0.5, 0.5])
    adapters.leave("b")
    assert adapters.surplus() == ["a", "c"]
    adapters.use("c", [0.5, 0.5])  # comes back before it is deleted
    for name in "ac":
        adapters.drop(name)
    assert [name for name in "abcd" if folders[name].exists()] == ["b", "c", "d"]
    assert adapters.folder("c") == folders["c"]


def test_an_adapter_that_comes_back_has_a_new_place(adapters):
    adapters.use("a", [1, 0])
    first = adapters.folder("a")
    adapters.leave("a")
    adapters.drop("a")
    assert not first.exists()
    adapters.use("a", [1, 0])
    assert adapters.folder("a") != first


def test_nothing_is_left_when_the_server_ends(adapters, tmp_path):
    adapters.use("a", [1, 0])
    adapters.folder("a")
    adapters.clear()
    assert not tmp_path.exists()


def test_the_environment_may_name_their_folder(exported, tmp_path, monkeypatch):
    monkeypatch.setattr(served.atexit, "register", lambda act: None)
    for name, value in ((served.FOLDER, exported("hyper-lora")), (served.ADAPTERS, tmp_path / "own")):
        monkeypatch.setenv(name, str(value))
    found = served.served.__wrapped__().adapters
    found.use("moft:a", [1, 0])
    assert found.folder("moft:a").parent == tmp_path / "own"
