"""A reload puts a new run in place of the old one; a broken one changes nothing."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from types import SimpleNamespace

from fastapi.testclient import TestClient

from moft import RunError
from moft.files.safetensors import load_tensors, save_tensors
from moft_serve.application import application
from moft_serve.http.metrics import Metrics
from moft_serve.http.tokens import Tokens
from moft_serve.models.reload import Reloader
from moft_serve.models.served_models import Models, opener

TOKEN = "a-token-of-the-tests"
HEADERS = {"authorization": f"Bearer {TOKEN}"}


def test_a_reload_serves_the_new_run(client, opened, ask):
    def again(name, path):
        assert path == opened.path
        return replace(opened, name=name, opened=12.0)

    own = client(tokens=(TOKEN,), open_served=again)
    assert own.post("/v1/models/demo/reload").status_code == 401
    assert own.post("/v1/models/other/reload", headers=HEADERS).status_code == 404
    assert own.post("/v1/models/demo/reload", headers=HEADERS).json()["created"] == 12
    assert own.get("/v1/models", headers=HEADERS).json()["data"][0]["created"] == 12
    assert own.post("/v1/score", json=ask(), headers=HEADERS).status_code == 200
    text = own.get("/metrics", headers=HEADERS).text
    assert 'moft_reloads_total{model="demo",outcome="done"} 1.0' in text
    assert 'moft_model_opened_timestamp_seconds{model="demo"} 12.0' in text


def test_the_memory_of_a_language_model_is_freed(client, opened, monkeypatch):
    told = []
    collector = SimpleNamespace(unfreeze=lambda: told.append("unfrozen"), collect=lambda: told.append("collected"))
    monkeypatch.setattr("moft_serve.models.reload.gc", collector)
    engine = SimpleNamespace(close=lambda: told.append("closed"))
    for own in (replace(opened, engine=engine), opened):
        reloader = Reloader(Models([own]), lambda name, path: opened, Metrics())

        async def reload(reloader=reloader):
            await reloader.reload("demo")
            await asyncio.gather(*reloader._closing)

        asyncio.run(reload())
    assert told == ["closed", "unfrozen", "collected"]


def test_a_broken_run_leaves_the_old_one(client, ask):
    def broken(name, path):
        raise RunError("runs/demo: has no finished policy.")

    own = client(tokens=(TOKEN,), open_served=broken)
    answer = own.post("/v1/models/demo/reload", headers=HEADERS)
    assert answer.status_code == 409
    message = "'demo' was not reloaded, and the run that was opened before is still served: runs/demo: has no finished policy."
    assert answer.json()["error"]["message"] == message
    assert own.post("/v1/score", json=ask(), headers=HEADERS).status_code == 200
    asyncio.run(own.app.state.reloader.reload_all())  # which a signal asks for


def test_without_a_token_nobody_reloads_over_http(client):
    answer = client().post("/v1/models/demo/reload")
    assert answer.status_code == 403
    assert "--token-file" in answer.json()["error"]["message"]


def test_what_a_folder_holds_is_served_after_a_reload(client, finished, ask, plugins, tmp_path, monkeypatch):
    path, told = shutil.copytree(finished, tmp_path / "run"), []
    monkeypatch.setattr("moft_serve.models.served_models.log", lambda event, *_, **fields: told.append((event, fields)))
    open_served = opener(plugins, trust=False, device="cpu")
    served = open_served("demo", path)
    own = TestClient(application(Models([served]), open_served, tokens=Tokens([TOKEN])))
    before = own.post("/v1/score", json=ask(), headers=HEADERS).json()
    policy = load_tensors(path / "policy" / "policy.safetensors")
    save_tensors(
        path / "policy" / "policy.safetensors", {name: value * (1 + (name != "betas")) for name, value in policy.items()}
    )
    answer = own.post("/v1/models/demo/reload", headers=HEADERS)  # whose content is not that of training
    assert answer.status_code == 409
    assert "its content has changed since training" in answer.json()["error"]["message"]
    assert own.post("/v1/score", json=ask(), headers=HEADERS).json() == before
    (path / "policy" / "record.json").unlink()
    (path / "choices").mkdir()
    (path / "choices" / "damaged.json").write_text("{", encoding="utf-8")
    assert own.post("/v1/models/demo/reload", headers=HEADERS).status_code == 200
    assert own.post("/v1/score", json=ask(), headers=HEADERS).json()["results"] != before["results"]
    assert [(event, fields["choice"]) for event, fields in told] == [("choice not served", "damaged")]
