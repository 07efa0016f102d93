"""The hub is asked once, after saying so, and what it cannot give is one line."""

from __future__ import annotations

from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from moft import DataError
from moft.files import hub
from moft.files.hub import check_hub

ASKED = "moft: owner/name: no such file or folder; looking on the Hugging Face hub.\n"


@pytest.fixture
def assignment(monkeypatch, tmp_path):
    """Sets what the hub answers when it is asked for a file; its cache is empty."""
    hub.note_hub_request.cache_clear()
    hub._is_reachable.cache_clear()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)

    def set_to(error=None):
        def asked(url, timeout):
            assert url.endswith("/owner/name/resolve/main/config.json")
            if error is not None:
                raise error

        monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", asked)

    return set_to


def response(status):
    return SimpleNamespace(status_code=status, headers={}, request=None)


@pytest.mark.parametrize("error", [None, HfHubHTTPError("busy", response=response(503))])
def test_a_hub_that_answers_is_left_to_its_library_and_told_of_once(error, assignment, capsys):
    assignment(error)
    check_hub("owner/name", "config.json")
    check_hub("owner/name", "config.json")
    assert capsys.readouterr().err == ASKED


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConnectionError("no route\nto host"), "the Hugging Face hub cannot be reached (no route to host)."),
        (
            RepositoryNotFoundError("404", response=response(404)),
            "the Hugging Face hub has no model of that name that you can read.",
        ),
    ],
)
def test_a_hub_that_has_no_such_model_or_is_not_there_is_one_line(error, told, assignment, capsys):
    assignment(error)
    with pytest.raises(DataError) as raised:
        check_hub("owner/name", "config.json")
    assert str(raised.value) == f"owner/name: no such folder, and {told}"
    assert capsys.readouterr().err == ASKED


def test_offline_nothing_is_asked(assignment, monkeypatch, capsys):
    assignment(AssertionError("asked"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"and the hub's cache has no config\.json of it. Unset HF_HUB_OFFLINE to download it"):
        check_hub("owner/name", "config.json")
    assert capsys.readouterr().err == ""


def test_what_no_hub_can_have_is_one_line(assignment):
    assignment()
    with pytest.raises(DataError, match=r"^a--b: no such folder, and not a name on the Hugging Face hub, such as owner/model\.$"):
        check_hub("a--b", "config.json")


@pytest.fixture
def cached(tmp_path):
    """A model in the cache."""
    revision = tmp_path / "models--owner--name" / "snapshots" / "0123456789"
    revision.mkdir(parents=True)
    (revision / "config.json").write_text("{}")
    (tmp_path / "models--owner--name" / "refs").mkdir()
    (tmp_path / "models--owner--name" / "refs" / "main").write_text("0123456789")


@pytest.mark.usefixtures("cached")
@pytest.mark.parametrize("error", [None, HfHubHTTPError("busy", response=response(503))])
def test_a_model_of_the_cache_is_taken_without_a_word(error, assignment, capsys):
    assignment(error)
    check_hub("owner/name", "config.json")
    assert not constants.is_offline_mode()
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("cached")
def test_a_hub_that_is_not_there_is_asked_once_for_a_model_of_the_cache(assignment, capsys):
    assignment(ConnectionError("no route to host"))
    check_hub("owner/name", "config.json")
    assert constants.is_offline_mode()
    assignment(AssertionError("asked"))
    check_hub("owner/name", "config.json")
    told = "moft: owner/name: the Hugging Face hub cannot be reached, so the copy in its cache is used.\n"
    assert capsys.readouterr().err == told


@pytest.mark.usefixtures("cached")
def test_offline_a_model_of_the_cache_is_not_asked_for(assignment, monkeypatch, capsys):
    assignment(AssertionError("asked"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    check_hub("owner/name", "config.json")
    assert capsys.readouterr().err == ""
