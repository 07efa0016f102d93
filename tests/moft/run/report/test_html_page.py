"""The report says every number of a front, loads nothing, and escapes what users named."""

from __future__ import annotations

import errno
import json
import re
import sys
from html.parser import HTMLParser

import pytest
import torch

from moft.errors import RunError
from moft.run.folder.run_folder import RunFolder
from moft.run.report import html_page
from moft.run.report.html_page import duration, write_report
from moft.types import Nouns

VOID = {"meta", "img", "br", "wbr", "link", "input", "hr"}
EVIL = "<script>alert('x')</script>"


class Page(HTMLParser):
    """A page as text and tags; a tag that is not closed, or closed twice, is an error."""

    def __init__(self, content):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], ""
        self.feed(content)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(tmp_path / "my run", {"task": {"ltr": {"data": "web30k"}}, "seed": 3})


def page(record, run):
    write_report(record, run, run.path)
    return Page((run.path / "report.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize("m", [1, 2, 5])
@pytest.mark.parametrize("has_main", [True, False])
def test_every_objective_and_number_is_said(recorded, run, m, has_main):
    record = recorded(m, has_main=has_main)
    text = page(record, run).text
    rows = [*record["points"], record["base"]]
    numbers = [f"{value:.4f}" for row in rows for value in row["values"]]
    numbers += [f"{low:.4f} to {high:.4f}" for row in rows for low, high in row["ci"]]
    numbers += [f"{row['main']:.4f}" for row in rows if has_main]
    numbers += [f"{value:.4g}" for value in (record["hypervolume"]["value"], *record["indicators"].values())]
    words = [*record["objectives"], record["metric"], record["intervals"], *record["meanings"].values(), run.path.name]
    assert [missing for missing in (*numbers, *words) if missing not in text] == []
    assert ("main objective" in text.lower()) == has_main


def test_what_stands_in_the_main_objectives_place_is_called_by_its_own_name(recorded, run):
    record = recorded(2)
    record["main"]["name"] = "minus KL (nats)"
    text = page(record, run).text
    assert [text.count(word) for word in ("minus KL (nats)", "Minus KL (nats)")] == [3, 3]
    assert "main objective" not in text.lower()


def test_lists_and_items_are_called_as_the_task_calls_them(recorded, run):
    run.write_versions({"data": {"splits": {"test": {"lists": 12, "items": 90}}}})
    record = recorded(2, metric="NDCG@10 (linear gain)", nouns=Nouns("query", "document"))
    text = page(record, run).text
    assert "on 12 queries of the test split" in text
    assert "means over queries" in text
    assert all(word in text for word in ("queries", "documents", "every query"))
    assert not re.search(r"\b(lists|items?)\b", text.replace("lists.safetensors", ""))


def test_both_files_are_written_and_the_page_holds_the_picture(recorded, run):
    import base64

    sources = [value for tag, name, value in page(recorded(2), run).attributes if (tag, name) == ("img", "src")]
    picture = (run.path / "front.png").read_bytes()
    assert sources == ["data:image/png;base64," + base64.b64encode(picture).decode()]


def test_nothing_is_loaded_and_no_script_is_needed(recorded, run):
    found = page(recorded(5), run)
    content = (run.path / "report.html").read_text(encoding="utf-8")
    assert not {"script", "link", "iframe", "object"} & set(found.tags)
    assert "http://" not in content
    assert "https://" not in content
    assert all(value.startswith("data:") for _, name, value in found.attributes if name in ("src", "href"))
    assert not re.search(r"@import|url\(", content)


def test_several_dials_have_a_slider_and_without_a_script_all_are_shown(recorded, run):
    record = recorded(2, dials=[0.5, 1.0, 2.0])
    found = page(record, run)
    assert {"script", "input", "output"} <= set(found.tags)
    assert not {"link", "iframe", "object"} & set(found.tags)
    assert all(value.startswith("data:") for _, name, value in found.attributes if name in ("src", "href"))
    assert [tag for tag, name, _ in found.attributes if name == "hidden"] == ["div"]  # the slider alone, which the script shows
    assert [value for tag, name, value in found.attributes if (tag, name) == ("figure", "data-dial")] == ["all", "0", "1", "2"]
    rows = [value for tag, name, value in found.attributes if (tag, name) == ("tr", "data-dial")]
    assert rows == [str(at) for at in range(3) for _ in range(len(record["points"]) // 3)]
    assert [each for each in found.attributes if each[:2] in (("input", "max"), ("input", "value"))] == [
        ("input", "max", "2"),
        ("input", "value", "1"),
    ]
    assert "Dial 0.5" in found.text


def test_one_dial_needs_no_slider(recorded, run):
    assert not {"script", "input"} & set(page(recorded(2, dials=[2.0]), run).tags)


def test_what_users_name_is_escaped(recorded, tmp_path):
    folder = RunFolder.create(tmp_path / "<b>run", {"note": EVIL})
    folder.write_versions({"device": EVIL, "data": {"base": EVIL, "splits": {EVIL: {EVIL: EVIL}}}})
    record = recorded(2, names=(EVIL, f"b_{EVIL}"), metric=f"{EVIL} more", split=EVIL)
    record["notes"] = [EVIL]
    record["meanings"]["width"] = EVIL
    found = page(record, folder)
    assert not {"script", "b_"} & set(found.tags)
    assert "<b>run" in found.text
    places = 2 * len(record["objectives"])  # heads of the table of points, beside all other places
    assert found.text.count(EVIL) > places


def test_points_on_the_front_are_marked_and_the_base_model_comes_first(recorded, run):
    record = recorded(2)
    record["points"][1]["values"] = [-1.0, -1.0]
    page(record, run)
    content = (run.path / "report.html").read_text(encoding="utf-8")
    rows = re.findall(r'<tr class="(base|front|dominated)"', content)
    count = len(record["points"])
    assert rows == ["base", "front", "dominated", *["front"] * (count - 2)]
    assert f"{count - 1} of {count}" in content


def test_each_objectives_range_stands_against_the_base_model(recorded, run):
    record = recorded(2)
    text = page(record, run).text
    for index in range(2):
        values = [point["values"][index] for point in record["points"]]
        assert f"{max(values) - record['base']['values'][index]:+.4f}" in text


def test_the_first_table_has_gains_and_what_the_main_objective_loses_and_hypervolume_comes_late(recorded, run):
    record = recorded(2)
    text = page(record, run).text
    for gain in record["gains"]:
        assert all(f"{value:+.4f}" in text for value in (gain["gain"], gain["main"], *gain["ci"], *gain["main_ci"]))
    content = (run.path / "report.html").read_text(encoding="utf-8")
    assert re.findall(r'<table id="(\w+)"', content)[:2] == ["gains", "points"]
    assert text.lower().index("hypervolume") > text.index("Definitions")
    assert f"{record['hypervolume']['ci'][0]:.4g} to {record['hypervolume']['ci'][1]:.4g}" in text
    assert "Choices" not in text


@pytest.mark.parametrize("is_tested", [True, False])
def test_choices_are_listed_with_wish_promise_and_test_values(recorded, run, is_tested):
    outcomes = [{"name": name, "value": 0.1234, "ci": [0.1, 0.15]} for name in ("objective_0", "objective_1", "main")]
    choice = {
        "weights": {"objective_0": 0.25, "objective_1": 0.75},
        "dial": 1.5,
        "wish": {"keep": [f"main >= {EVIL}"], "maximise": "objective_0", "share": None, "like": None, "confidence": 0.9},
        **{"is_promised": True, "confidence": 0.9312, "bounds": [{}], "outcomes": [{"name": each["name"]} for each in outcomes]},
        "test": {"outcomes": outcomes} if is_tested else None,
    }
    write_report(recorded(2), run, run.path, {"safe": choice})
    found = Page((run.path / "report.html").read_text(encoding="utf-8"))
    row = found.text.split("Choices", 1)[1].split("The front", 1)[0]
    words = ["safe", f"keep main >= {EVIL}; maximise objective_0", "objective_0 0.250, objective_1 0.750", "1.5", "yes, 0.931"]
    assert [word for word in words if word not in row] == []
    assert row.count("0.1234") == row.count("0.1000 to 0.1500") == (3 if is_tested else 0)


def test_what_is_missing_is_left_out(recorded, run):
    record = recorded(2)
    for point in (*record["points"], record["base"]):
        point["values"][0], point["ci"][0] = None, [None, None]
        point["main"], point["main_ci"] = None, [None, None]
    record["hypervolume"] |= {"value": None, "ci": [None, None]}
    record["main"] = {"mean": None, "deviation": None}
    text = page(record, run).text
    assert not re.search(r"\b(nan|None)\b", text)
    assert "Main objective" not in text
    assert "Environment" not in text
    assert text.count("\N{EN DASH}") > len(record["points"])


def test_nan_is_shown_as_missing_too(recorded, run):
    record = recorded(2)
    record["points"][0]["values"][0] = float("nan")
    assert not re.search(r"\bnan\b", page(record, run).text)


def test_training_is_shown_where_it_was_kept(recorded, run):
    assert "img" in page(recorded(2), run).tags
    rows = [{"step": step, "job": "policy", "loss": 1 / step} for step in range(1, 5)]
    run.steps.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 5, "jo')
    assert page(recorded(2), run).tags.count("img") == 2


def test_data_and_versions_are_told_with_short_hashes(recorded, run):
    digest = "0123456789abcdef" * 4
    splits = {"train": {"lists": 18919, "sha256": [digest]}, "test": {"items": 7}}
    run.write_versions(
        {"python": "3.12.1", "seed": 12345, "git_commit": None, "data": {"splits": splits, "dealt": None, "base": "neural"}}
    )
    text = page(recorded(2), run).text
    assert "18,919" in text
    assert "12345" in text
    assert "neural" in text
    assert "3.12.1" in text
    assert digest[:12] in text
    assert digest not in text
    assert "git commit" not in text
    assert "dealt" not in text


def test_the_resolved_config_is_there(recorded, run):
    found = page(recorded(2), run)
    assert "details" in found.tags
    assert run.config.read_text() in found.text


def test_temperatures_that_differ_have_columns(recorded, run):
    same = page(recorded(2), run).text
    record = recorded(2, betas_of=lambda weights: 1 + torch.arange(len(weights)).unsqueeze(1).expand(-1, 2) / 8)
    differing = page(record, run).text
    assert "Betas: objective_0 1, objective_1 1." in same
    assert "betas" in differing
    assert "Betas:" not in differing
    assert all(f"{point['betas'][0]:g}" in differing for point in record["points"])


def test_a_failed_write_leaves_nothing_behind(recorded, run, monkeypatch):
    record, before = recorded(2), sorted(run.path.iterdir())

    def full(descriptor):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr("moft.files.atomic_write.os.fsync", full)
    with pytest.raises(RunError, match=r"front.png: cannot be written \(no space left\)"):
        write_report(record, run, run.path)
    assert sorted(run.path.iterdir()) == before


def test_a_page_that_cannot_be_made_leaves_no_picture(recorded, run, monkeypatch):
    def broken(*arguments):
        raise ValueError("broken")

    monkeypatch.setattr(html_page, "report_page", broken)
    with pytest.raises(ValueError, match="broken"):
        write_report(recorded(2), run, run.path)
    assert not (run.path / "front.png").exists()


def test_pyplot_is_never_imported(recorded, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it is now an error
    page(recorded(2), run)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.31, "0.3 s"),
        (9.97, "10 s"),
        (59.7, "1 min 0 s"),
        (75, "1 min 15 s"),
        (3599.8, "1 h 0 min"),
        (3600 + 7 * 60, "1 h 7 min"),
        (50 * 3600, "2 d 2 h"),
    ],
)
def test_durations_have_two_units(seconds, words):
    assert duration(seconds) == words
