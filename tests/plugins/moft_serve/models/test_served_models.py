"""Served runs have names, from the command line or from their folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from moft import ConfigError
from moft_serve.http.errors import ApiError
from moft_serve.models.served_models import Models, paths_by_name


def test_names_are_given_or_those_of_the_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b").mkdir()
    assert paths_by_name(["runs/demo", "mine=runs/demo"]) == {"demo": Path("runs/demo"), "mine": Path("runs/demo")}
    assert list(paths_by_name(["runs/demo/", "."])) == ["demo", tmp_path.name]
    with pytest.raises(ConfigError, match=r"'a=b' is no name for a model.*write NAME=a=b"):
        paths_by_name(["a=b"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a/demo", "b/demo"], r"b/demo: a/demo is served as 'demo' already; write NAME=b/demo with another name"),
        (["my run"], "'my run' is no name for a model"),
        (["=runs/demo"], "'' is no name for a model"),
        (["a:b=runs/demo"], "'a:b' is no name for a model"),
    ],
)
def test_other_names_are_refused(words, message):
    with pytest.raises(ConfigError, match=message):
        paths_by_name(words)


def test_a_request_may_leave_out_the_only_name(opened):
    models = Models([opened])
    assert models.get(None) is models.get("demo") is opened
    both = Models([opened, replace(opened, name="other")])
    with pytest.raises(ApiError) as caught:
        both.get(None)
    assert caught.value.detail == "model: is missing; this server has demo, other."
    with pytest.raises(ApiError) as caught:
        both.get("third")
    assert caught.value.status_code == 404


def test_models_say_what_clients_need(client, opened):
    card = client(names=("demo", "other")).get("/v1/models").json()["data"][0]
    assert card["id"] == "demo"
    assert card["objectives"] == ["first", "second"]
    assert card["features"] == list(opened.scorer.features)
    assert card["choices"] == card["categories"] == {}
    assert card["base_scores"] is None
    assert client().get("/v1/models/demo").json() == card
    assert client().get("/v1/models/other").status_code == 404
