"""The stopwatch."""

from moft_stopwatch import plugin

from moft.testing import check_observer, check_plugin


def test_contract():
    check_plugin(plugin)
    check_observer(plugin)
