"""Offers the scalarizer."""

from moft import Component, hookimpl


@hookimpl
def moft_scalarizers():
    yield Component("soft-maximum", "moft_soft_maximum.scalarizer:SoftMaximum", "a smooth maximum of the weighted losses")
