"""What the server gives of the page: safe headers, parts that browsers keep, and data only to those who may see them."""

from __future__ import annotations

import re
import shutil

import pytest

pytest.importorskip("plotly")
pytest.importorskip("fastapi")

TOKEN = "a-token-of-the-tests"


def test_the_page_and_its_parts_need_no_token_and_the_data_do(client):
    client = client(tokens=(TOKEN,))
    page = client.get("/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    parts = re.findall(r'(?:src|href)="(page/[^"]+)"', page.text)
    assert len(parts) == 3
    for part in parts:
        found = client.get(f"/{part}")
        assert found.status_code == 200
        assert "immutable" in found.headers["cache-control"]
        assert found.headers["x-content-type-options"] == "nosniff"
    assert "first" not in page.text.replace("first-child", "")
    assert [client.get(f"/v1/models/demo/{part}").status_code for part in ("steering", "examples")] == [401, 401]
    told = client.get("/v1/models/demo/steering", headers={"Authorization": f"Bearer {TOKEN}"}).json()
    assert told["objectives"] == ["first", "second"]


def test_no_name_stands_twice_at_the_top_of_the_script(client):
    names = re.findall(r"^(?:async )?(?:function\*?|class|const|let) (\w+)", client().get("/page/steering.js").text, re.MULTILINE)
    assert len(names) > 80
    assert len(names) == len(set(names))


def test_examples_are_requests_that_the_server_takes(client):
    client = client()
    examples = client.get("/v1/models/demo/examples").json()
    assert len(examples) == 5
    answer = client.post("/v1/score", json={"weights": [0.5, 0.5], "queries": examples})
    assert answer.status_code == 200
    assert [result["id"] for result in answer.json()["results"]] == [example["id"] for example in examples]


def test_what_is_not_there_gets_one_sentence(client):
    client = client()
    assert client.get("/page/secret").json()["error"]["message"] == "the page has no file 'secret'."
    assert client.get("/v1/models/none/steering").status_code == 404


def test_a_run_without_its_data_has_a_page_without_examples(client, monkeypatch):
    from moft import DataError
    from moft_ltr.task import LTR

    def missing(task, count):
        raise DataError("lists: there is no such folder.")

    monkeypatch.setattr(LTR, "example_queries", missing)
    assert client().get("/v1/models/demo/examples").json() == []


def test_a_damaged_choice_is_said(client, opened, finished, tmp_path, monkeypatch):
    run = shutil.copytree(finished, tmp_path / "run")
    (run / "choices").mkdir()
    (run / "choices" / "safe.json").write_text("{}")
    monkeypatch.setattr(opened.run.folder, "choices", run / "choices")
    answer = client().get("/v1/models/demo/steering")
    assert answer.status_code == 500
    assert "safe.json" in answer.json()["error"]["message"]
