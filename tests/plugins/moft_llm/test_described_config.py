"""What describing a config shows of its mapping: lists, ties, conflicts, splits and truncation."""

from __future__ import annotations

import json

import pytest

from moft.config.yaml12 import dump
from tests.plugins.moft_llm.test_label_conflicts import row


@pytest.fixture
def config(tmp_path, monkeypatch, tiny_models):
    """Writes rows in a layout of their own and a config that maps them."""
    monkeypatch.chdir(tmp_path)
    rows = [
        {
            "q": f"question {i}?",
            "r": [{"t": "yes " * (3 + i % 2 * 500), "s": "4"}, {"t": "no", "s": "N/A" if i % 3 else "4"}, {"t": "so", "s": 1}],
        }
        for i in range(30)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))

    def written(**settings):
        data = {"name": "columns", "path": "rows.jsonl", "prompt": "q", "responses": "r[*].t"}
        labels = {
            "good": {"path": "r[*].s", "values": {"N/A": None}},
            "bad": {"path": "r[*].s", "sign": -1, "values": {"N/A": None}},
        }
        objectives = {"good": {"loss": "of-a-plugin-file"}, "bad": {}}
        task = {
            "name": "llm",
            "model": str(tiny_models()),
            "data": data | {"labels": labels},
            "objectives": objectives,
            **settings,
        }
        (tmp_path / "config.yaml").write_text(dump({"task": task}))
        return "config.yaml"

    return written


def test_a_config_is_described_as_it_is_read(moft, config):
    said = moft("data", "describe", config(max_length=100))
    assert (said.code, said.mistakes) == (0, [])
    lines, text = said.out.splitlines(), " ".join(said.out.split())
    first = lines.index("List 1, from rows.jsonl:1")
    assert lines[first + 1 : first + 5] == [
        "  prompt: question 0?",
        "  response 1 (good 4, bad -4): yes yes yes ",
        "  response 2 (good 4, bad -4): no",
        "  response 3 (good 1, bad -1): so",
    ]
    assert sum(line.startswith("List ") for line in lines) == 3
    assert "good: 10 of 50 pairs of labelled responses are ties (20.0%); they prefer nothing." in text
    assert row(said.out, "good, bad")[:2] == ["-1.00", "100%"]
    assert any(line.startswith("Splits: ") and line.endswith(" test.") for line in lines)
    assert "responses were too long and lost their end." in text
    assert "train: the longest prompt with one of its responses has 100 tokens, after truncation." in text


def test_the_data_is_described_without_the_model(moft, config):
    said = moft("data", "describe", config(model="none/at-all/here"))
    assert said.code == 0
    assert "Truncation is not shown: none/at-all/here" in " ".join(said.out.split())


def test_mistakes_in_a_mapping_are_one_line(moft, config, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"q": "p", "answers": []}\n')
    said = moft("data", "describe", config())
    assert said.code == 2
    assert said.mistakes == ["moft: error: rows.jsonl:1: 'r[*].t' finds nothing: the row has no 'r'; it has q, answers."]
    (tmp_path / "other.yaml").write_text("task: {name: ltr}\n")
    said = moft("data", "describe", "other.yaml")
    assert said.mistakes == [
        "moft: error: other.yaml: a config is described if its task.name is llm; of rankers, describe the data itself."
    ]


def test_prompts_with_one_response_are_described_where_the_loss_takes_them(moft, config, tmp_path):
    rows = [{"prompt": f"question {i}?", "completion": "yes", "label": i % 2 == 0} for i in range(30)]
    (tmp_path / "kto.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    data = {"name": "columns", "path": "kto.jsonl", "response": "completion", "labels": {"good": "label"}}
    for words in (config(data=data, objectives={"good": {"loss": "unpaired-logistic"}}), "kto.jsonl"):
        said = moft("data", "describe", words)
        assert (said.code, said.mistakes) == (0, [])
        assert "  response 1 (good 0): yes" in said.out.splitlines()
        assert "Conflicts cannot be shown: fewer than two labels order responses." in said.out
