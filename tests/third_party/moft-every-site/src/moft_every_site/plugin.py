"""Offers the conditioner."""

from moft import Component, hookimpl


@hookimpl
def moft_conditioners():
    yield Component("every-site", "moft_every_site.conditioner:EverySite", "a shift at every site")
