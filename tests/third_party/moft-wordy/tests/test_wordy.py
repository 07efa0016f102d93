"""The length of words."""

from moft_wordy import plugin
from moft_wordy.scorer import Wordy

from moft.testing import check_plugin, check_scorer


def test_contract():
    check_plugin(plugin)
    check_scorer(Wordy())


def test_it_is_the_mean_over_words():
    assert Wordy()([""], ["one three"]).tolist() == [(3 + 5) / 2]
