"""Components that need packages of an extra: what is missing is told in one line, and nothing counts as broken."""

from __future__ import annotations

import sys

import pytest

from moft import Component, ConfigError, hookimpl
from moft.api import Factory, Loss, component
from moft.config.build_component import resolve
from moft.hooks.plugin_manager import Plugins
from moft.hooks.registry import Offer


class Offers:
    @hookimpl
    def moft_losses(self):
        yield Component("far", "a_package_that_is_not_there:Loss", packages=("a_package_that_is_not_there",), extra="far")


def offer(*packages: str, extra: str = "more", version: str = "1.0") -> Offer:
    return Offer(Component("mine", "mine:Mine", packages=packages, extra=extra), "mine", "moft-mine", version)


def test_packages_that_are_installed_are_not_asked_for():
    assert offer("json", "pytest").requirement == ""


def test_what_is_missing_is_named_with_the_extra_that_installs_it():
    assert offer("json", "nowhere_a").requirement == "needs the package nowhere_a: pip install 'moft-mine[more]'."
    both = "needs the packages nowhere_a and nowhere_b: pip install 'moft-mine[more]'."
    assert offer("nowhere_a", "nowhere_b").requirement == both


def test_without_an_extra_the_packages_are_installed_themselves():
    assert offer("nowhere_a", extra="").requirement == "needs the package nowhere_a: pip install nowhere_a."
    assert offer("nowhere_a", version="").requirement == "needs the package nowhere_a: pip install nowhere_a."


def test_a_module_that_a_test_takes_away_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "json", None)
    assert offer("json").component.missing_packages() == ["json"]


def test_a_config_that_names_the_component_is_told_of_the_package():
    plugins = Plugins()
    plugins.register(Offers(), "toys")
    with pytest.raises(ConfigError, match=r"^--loss: loss 'far' needs the package a_package_that_is_not_there: pip install"):
        component(Loss, "far", plugins, "--loss")


def test_a_package_that_a_late_factory_needs_is_told_when_it_is_called():
    plugins = Plugins()
    plugins.register(Offers(), "toys")
    made = resolve(dict[str, Factory[Loss]], {"late": "far"}, plugins, late=("late",)).make()
    with pytest.raises(ConfigError, match=r"^\[late\] loss 'far' needs the package a_package_that_is_not_there: pip install"):
        made["late"]()
    with pytest.raises(ConfigError, match=r"^later: loss 'far' needs the package"):
        resolve(dict[str, Factory[Loss]], {"later": "far"}, plugins, late=("late",))


def test_the_language_model_task_names_its_extra(moft, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "transformers", None)
    config = tmp_path / "c.yaml"
    config.write_text("task: {name: llm}\nprofile: {evaluator: preference}\n", encoding="utf-8")
    said = moft("train", config)
    assert (said.code, said.mistakes) == (
        2,
        ["moft: error: task: task 'llm' needs the package transformers: pip install 'moft[llm]'."],
    )
    listing = moft("plugins").out
    assert "Need more packages:\n  task llm needs the package transformers: pip install 'moft[llm]'.\n" in listing
    assert "Broken" not in listing
