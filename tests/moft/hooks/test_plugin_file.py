"""Plugins that are one file."""

from __future__ import annotations

import sys

import pytest

from moft import PluginError
from moft.hooks.plugin_manager import Plugins

MINE = """
from __future__ import annotations
from dataclasses import dataclass
from moft import Component, hookimpl

@dataclass(frozen=True)
class Mine:
    size: int = 3

@hookimpl
def moft_losses():
    yield Component("mine", f"{__name__}:Mine", "my own")
"""


def test_a_file_is_a_plugin_called_as_its_path(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    plugins = Plugins()
    plugins.register_file(path)
    offer = plugins.offer("losses", "mine")
    assert offer.plugin == str(path)
    assert offer.component.load()().size == 3


def test_a_file_registered_twice_is_there_once(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    plugins = Plugins()
    plugins.register_file(path)
    plugins.register_file(str(path))
    assert plugins.select("losses", "mine").summary == "my own"
    assert len(plugins.registered()) == 1


def test_two_files_of_one_name_do_not_meet(tmp_path):
    plugins = Plugins()
    for folder, name in (("a", "first"), ("b", "second")):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "mine.py"
        path.write_text(MINE.replace('"mine"', f'"{name}"'))
        plugins.register_file(path)
    assert {offer.component.name for offer in plugins.offers("losses")} == {"first", "second"}
    assert len({offer.component.load() for offer in plugins.offers("losses")}) == 2


def test_a_file_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(PluginError, match=r"plugin file '.*gone.py' does not exist"):
        Plugins().register_file(tmp_path / "gone.py")


def test_a_file_that_is_no_python_file_is_said_so(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text(MINE)
    with pytest.raises(PluginError, match=r"plugin file '.*mine.txt' is not a Python file: its name must end in '.py'"):
        Plugins().register_file(path)


def test_a_file_that_raises_is_said_so_and_leaves_nothing(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("import no_such_module_of_mine")
    before = set(sys.modules)
    with pytest.raises(PluginError, match=r"mine.py' cannot be imported \(ModuleNotFoundError: No module named 'no_such"):
        Plugins().register_file(path)
    assert not {name for name in set(sys.modules) - before if name.startswith("moft_file_")}
