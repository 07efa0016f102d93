"""`moft report`: a page of a run as one file, and what bad input gets."""

from __future__ import annotations

import json
import re
import shutil

import pytest

pytest.importorskip("plotly")


def data_of(page):
    return json.loads(re.search(r'id="data">(.*)</script>', page.read_text(encoding="utf-8"))[1])


def test_a_page_is_written_for_a_run_without_and_with_choices(finished, moft, tmp_path):
    said = moft("report", finished, "--page", tmp_path / "page.html")
    assert (said.code, said.out) == (0, f"Wrote {tmp_path / 'page.html'}. Open it in a browser.\n")
    data = data_of(tmp_path / "page.html")
    assert (data["objectives"], data["place"], data["isText"]) == (["first", "second"], str(finished), False)
    assert [(source["split"], source["kind"]) for source in data["sources"]] == [("test", "front")]
    front = json.loads((finished / "front.json").read_text())
    assert [point["weights"] for point in data["sources"][0]["points"]] == [point["weights"] for point in front["points"]]
    run = shutil.copytree(finished, tmp_path / "run")
    assert (
        moft("choose", run, "--keep", "main >= 50% of base", "--maximise", "first", "--measurements", 8, "--name", "mine").code
        == 0
    )
    assert moft("report", run, "--page", tmp_path / "chosen.html").code == 0
    data = data_of(tmp_path / "chosen.html")
    assert [(source["split"], source["kind"]) for source in data["sources"]] == [("validation", "choices"), ("test", "front")]
    assert [choice["name"] for choice in data["choices"]] == ["mine"]
    outcomes = json.loads((run / "choices" / "outcomes.json").read_text())
    assert data["sources"][0]["error"] == outcomes["held_out"]["error"]


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ((), "moft report needs --page"),
        (("--page", "{tmp}/there.html"), "there.html: already exists"),
        (("--page", "{tmp}/none/page.html"), "the folder .*none does not exist"),
    ],
)
def test_mistakes_get_one_line(finished, moft, tmp_path, words, match):
    (tmp_path / "there.html").write_text("mine")
    said = moft("report", finished, *(word.format(tmp=tmp_path) for word in words))
    assert said.code == 2
    (line,) = said.mistakes
    assert re.search(match, line)
    assert (tmp_path / "there.html").read_text() == "mine"


def test_an_unfinished_run_has_no_page(finished, moft, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    (run / "front.json").unlink()
    said = moft("report", run, "--page", tmp_path / "page.html")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert "is not finished" in said.mistakes[0]
    assert not (tmp_path / "page.html").exists()
