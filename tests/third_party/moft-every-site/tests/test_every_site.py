"""The shifts at every site."""

from moft_every_site import plugin
from moft_every_site.conditioner import EverySite

from moft.testing import check_conditioner, check_plugin


def test_contract():
    check_plugin(plugin)
    check_conditioner(EverySite)
