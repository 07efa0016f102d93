"""Scorers that count: words, sentences and matches."""

from __future__ import annotations

import pytest
from torch import tensor
from torch.testing import assert_close

from moft import ConfigError
from moft.api import Scorer, component
from moft.testing import check_scorer
from moft_scorers.brevity import Brevity
from moft_scorers.length import Length
from moft_scorers.regex import Regex
from moft_scorers.words_and_sentences import sentences, words


def scored(scorer, *responses):
    return scorer([""] * len(responses), responses)


@pytest.mark.parametrize(
    "scorer",
    [
        Brevity(),
        Brevity(longest=5),
        Length(),
        Length(aim="shorter"),
        Length(aim=20),
        Regex(pattern=r"\bno\b", ignore_case=True),
        Regex(pattern="a*", measure="share", sign=-1),
        Regex(pattern="^-", measure="presence"),
    ],
)
def test_scorers_that_count_keep_the_contract(scorer):
    check_scorer(scorer)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("...?! —", 0),
        ("a dog", 2),
        ("It's well-known, isn't it?", 4),
        ("Très bien", 2),
        ("3 of 12", 3),
        ("rock 'n' roll", 3),
    ],
)
def test_a_word_goes_on_over_an_apostrophe_or_a_hyphen(text, count):
    assert words(text) == count


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ('"No!" he said. "Go."', ['"No!"', "he said.", '"Go."']),
        ("Pi is 3.14 here", ["Pi is 3.14 here"]),
        ("- one\n- two\n\nthree", ["- one", "- two", "three"]),
        ("Wait... what?! \n ...", ["Wait...", "what?!"]),
        ("今日は。元気\uff1f", ["今日は。", "元気\uff1f"]),
        ("", []),
        ("?!", []),
    ],
)
def test_a_sentence_ends_at_its_mark_and_with_its_line(text, parts):
    assert [part.strip() for part in sentences(text)] == parts


def test_brevity_is_minus_the_mean_number_of_words_in_a_sentence():
    assert_close(scored(Brevity(), "I ran. The dog ran over it."), tensor([-(2 + 5) / 2]))


def test_a_response_without_a_word_is_as_bad_as_the_longest_sentence():
    assert_close(scored(Brevity(longest=4), "", "?!", "a b c d e f.", "a b."), tensor([-4.0, -4.0, -4.0, -2.0]))


def test_length_counts_words_towards_its_aim():
    texts = "", "one two", "one two three four"
    assert_close(scored(Length(), *texts), tensor([0.0, 2.0, 4.0]))
    assert_close(scored(Length(aim="shorter"), *texts), tensor([0.0, -2.0, -4.0]))
    assert_close(scored(Length(aim=3), *texts), tensor([-3.0, -1.0, -1.0]))
    assert "3 words" in Length(aim=3).meaning


def test_a_pattern_is_counted_shown_present_or_set_against_the_words():
    texts = "no no\nNo yes", "yes", ""
    assert_close(scored(Regex(pattern=r"\bno\b"), *texts), tensor([2.0, 0.0, 0.0]))
    assert_close(scored(Regex(pattern=r"\bno\b", ignore_case=True, sign=-1), *texts), tensor([-3.0, 0.0, 0.0]))
    assert_close(scored(Regex(pattern=r"\bno\b", measure="presence"), *texts), tensor([1.0, 0.0, 0.0]))
    assert_close(scored(Regex(pattern=r"\bno\b", measure="share"), *texts), tensor([2 / 4, 0.0, 0.0]))
    assert_close(scored(Regex(pattern="^No"), *texts), tensor([1.0, 0.0, 0.0]))


def test_the_meaning_says_which_way_is_better():
    assert Regex(pattern="x").meaning == "number of matches, of the pattern 'x'; larger is more"
    assert Regex(pattern="x", sign=-1).meaning == "minus number of matches, of the pattern 'x'; larger is fewer"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"name": "regex"}, "--scorer a.pattern: is missing; it is required (text)."),
        (
            {"name": "regex", "pattern": "(no"},
            "[--scorer a] pattern '(no' is no regular expression: missing ), unterminated subpattern at position 0.",
        ),
        ({"name": "regex", "pattern": "a", "sign": 2}, "--scorer a.sign: must be 1 or -1, got 2."),
        (
            {"name": "length", "aim": "long"},
            "--scorer a.aim: must be 'longer' or 'shorter' or a number, got 'long'. Did you mean 'longer'?",
        ),
        ({"name": "length", "aim": -1}, "--scorer a.aim: must be 'longer' or 'shorter' or at least 0, got -1."),
        ({"name": "brevity", "longest": 0}, "--scorer a.longest: must be greater than 0, got 0."),
        (
            "brevty",
            "--scorer a: unknown scorer 'brevty'. Did you mean 'brevity'? "
            "Known scorers: brevity, classifier, length, onnx, regex, vader.",
        ),
    ],
)
def test_a_mistake_in_the_settings_is_one_line(plugins, value, message):
    with pytest.raises(ConfigError) as caught:
        component(Scorer, value, plugins, "--scorer a")
    assert str(caught.value) == message
