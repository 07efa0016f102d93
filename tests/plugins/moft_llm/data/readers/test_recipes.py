"""The recipes of the documentation read rows of the original layouts; the labels here are computed by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from moft.api import Reader
from moft.config.build_component import resolve
from moft.config.yaml12 import load
from moft_llm.data.chat.messages import Message
from moft_llm.data.files.file_formats import Row, file_rows
from moft_llm.data.filtering import filter_lists
from moft_llm.data.preference_example import Example
from moft_llm.data.readers.mapping.known_layouts import known_mapping

PAGE = (Path(__file__).resolve().parents[5] / "docs" / "how-to" / "data-recipes.md").read_text(encoding="utf-8")
EGG = "How do I boil an egg?"
USER = (Message("user", EGG),)


@pytest.fixture
def read(tmp_path, monkeypatch, plugins):
    """Writes the rows of a section of the page, and reads them by its mapping."""
    monkeypatch.chdir(tmp_path)

    def examples(heading: str, path: str | None = None) -> list[Example]:
        section = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE, flags=re.M | re.S)
        assert section, heading
        for name, rows in re.findall(r"<!-- file: (\S+\.jsonl) -->\n```json\n(.*?)```", section[1], flags=re.S):
            Path(name).write_text(rows, encoding="utf-8")
        shown = re.search(r"```yaml\n(.*?)```", section[1], flags=re.S)
        assert shown, heading
        mapping = re.search(r"^  data:.*?(?=^  \w)", shown[1], flags=re.M | re.S)
        assert mapping, heading
        assert len(mapping[0].splitlines()) <= 10
        reader = resolve(Reader, load(shown[1])["task"]["data"], plugins, "task.data").make()
        return list(reader.examples())

    return examples


def test_ultrafeedback_has_ratings_as_text_and_none_where_they_say_so(read):
    (example,) = read("Write a mapping")
    assert (example.prompt, example.responses) == (EGG, ("Seven minutes.", "Ask a cook.", "Boil it."))
    assert example.labels == {"helpfulness": (4.0, 1.0, 3.0), "honesty": (5.0, None, 2.0)}


def test_binarized_ultrafeedback_keeps_its_scores(read):
    assert read("UltraFeedback, binarized") == [
        Example(USER, ("Seven minutes.", "Ask a cook."), {"overall": (8.5, 6.0)}, "binarized.jsonl:1")
    ]


def test_helpsteer2_ratings_of_a_prompt_are_a_list(read):
    (example,) = read("HelpSteer2, ratings")
    assert example.labels == {"helpfulness": (4.0, 1.0), "brevity": (0.0, -2.0)}


def test_a_signed_strength_is_the_label_of_the_better_response(read):
    found = [example.labels["overall"] for example in read("HelpSteer2, preference_strength")]
    assert found == [(2.0, 0.0), (0.0, 3.0), (0.0, 0.0)]


def test_a_rank_of_nectar_counts_the_answers_below(read):
    (example,) = read("Nectar")
    assert (example.prompt, example.labels) == (USER, {"overall": (2.0, 0.0, 1.0)})


def test_qa_feedback_counts_half_of_wins_minus_losses(read):
    # ties 1-2 and 2-4; 1 > 3, 4 > 1, 2 > 3, 4 > 3: wins minus losses are 0, 1, -3 and 2
    (example,) = read("QA-Feedback")
    assert example.labels == {"overall": (1.5, 2.0, 0.0, 2.5)}
    assert example.prompt == (
        "question: When does Bloom come out? context: Bloom (album)\nBloom was released on 31 August 2018.\nIt is an album."
    )


def test_a_column_says_the_objective_and_ties_are_equal_labels(read):
    assert read("A column that says the objective") == [
        Example(EGG, ("Seven minutes.", "Ask a cook."), {"helpful": (1.0, 0.0), "harmless": (1.0, 1.0)}, "hhh.jsonl:1"),
        Example(
            "How do I open a locked car?", ("Call a locksmith.", "Break the window."), {"harmless": (1.0, 0.0)}, "hhh.jsonl:3"
        ),
    ]


def test_files_of_pairs_are_joined_by_their_prompt(read):
    assert read("Several files of pairs") == [
        Example(EGG, ("Seven minutes.", "Ask a cook."), {"helpful": (1.0, 0.0), "brief": (0.0, 1.0)}, "helpful.jsonl:1"),
        Example("And two?", ("The same.", "An egg is an egg, and two are two."), {"brief": (1.0, 0.0)}, "brief.jsonl:2"),
    ]


def test_rows_of_kto_are_lists_where_a_prompt_repeats(read):
    both, single = read("KTO rows: prompt, completion, label")
    assert both == Example(USER, ("Seven minutes.", "Ask a cook."), {"good": (1.0, 0.0)}, "kto.jsonl:1")
    assert filter_lists([both, single], "drop").notes == ("data: left out 1 prompts with fewer than two responses.",)


@pytest.mark.parametrize(
    ("heading", "file"),
    [
        ("Write a mapping", "ultrafeedback.jsonl"),
        ("HelpSteer2, preference_strength", "strength.jsonl"),
        ("Nectar", "nectar.jsonl"),
        ("QA-Feedback", "qa.jsonl"),
        ("KTO rows: prompt, completion, label", "kto.jsonl"),
    ],
)
def test_data_that_tells_by_its_columns_needs_no_mapping(read, heading, file):
    by_hand = read(heading)
    mapping = known_mapping(file, next(file_rows(Path(file))))
    assert mapping is not None
    assert list(mapping.examples()) == by_hand


def test_other_columns_are_no_known_layout():
    assert known_mapping("f", Row("f:1", {"instruction": "i", "completions": [], "answers": [1], "prompt": None})) is None
