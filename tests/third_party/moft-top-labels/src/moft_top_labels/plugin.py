"""Offers the evaluator."""

from moft import Component, hookimpl


@hookimpl
def moft_evaluators():
    yield Component("top-labels", "moft_top_labels.evaluator:TopLabels", "mean label of the items ranked first")
