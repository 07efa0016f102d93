"""The model for one weighting."""

import pytest
from moft_one_weighting import plugin
from moft_one_weighting.method import OneWeighting

from moft import ConfigError
from moft.api import problem_without_validation
from moft.testing import check_method, check_plugin, toy_task


def squares(rewards, labels, mask):
    return ((rewards - labels).square() * mask).sum(-1)


def test_contract():
    check_plugin(plugin)
    check_method(OneWeighting(weights=[1.0, 3.0], loss=squares))


def test_weights_of_another_length_are_refused():
    with pytest.raises(ConfigError, match="2 weights are needed"):
        OneWeighting(weights=[1.0], loss=squares).policy(problem_without_validation(toy_task()))
