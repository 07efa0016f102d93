"""`moft plugins`: what is there, what is wrong, and the settings of one component."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
import typer

from moft import Component, MoftError, hookimpl
from moft.api import Default, Loss, Positive
from moft.cli.app import application
from moft.cli.table_output import aligned, print_table
from moft.hooks.plugin_manager import Plugins


class Square:
    """Squares.

    Args:
        power: what rewards are raised to.
        target: how labels are normalised.
        inner: another loss.
    """

    def __init__(
        self, *, power: Positive, inner: Annotated[Loss | None, Default("plain")], target: Literal["softmax", "sum"] = "softmax"
    ) -> None:
        self.power, self.target, self.inner = power, target, inner


class Plain:
    pass


class Offers:
    @hookimpl
    def moft_losses(self):
        yield Component("square", Square, "the square [of] rewards")
        yield Component("plain", Plain, "nothing")

    @hookimpl
    def moft_samplers(self):
        yield Component("simplex", "no_such_module:Simplex", "the simplex")


class Again:
    @hookimpl
    def moft_losses(self):
        yield Component("square", Square)


class Failing:
    @hookimpl
    def moft_losses(self):
        raise RuntimeError("away")


@pytest.fixture
def listing(capsys):
    """What `moft plugins ARGS` prints with these plugins."""

    def of(*argv: str, **plugins: object) -> str:
        manager = Plugins()
        for name, plugin in (plugins or {"toys": Offers()}).items():
            manager.register(plugin, name)
        typer.main.get_command(application(manager)).main(args=["plugins", *argv], standalone_mode=False)
        return capsys.readouterr().out

    return of


def test_the_table_has_every_component_on_one_line(listing):
    lines = listing().splitlines()
    assert lines[0].split() == ["kind", "name", "summary", "plugin", "package", "version"]
    assert [line.split()[:2] for line in lines[1:]] == [["loss", "square"], ["loss", "plain"], ["sampler", "simplex"]]
    assert "the square [of] rewards" in lines[1]
    assert lines[1].split()[-1] == "toys"


@pytest.mark.parametrize("kind", ["samplers", "sampler"])
def test_a_kind_filters(listing, kind):
    lines = listing(kind).splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["sampler", "simplex"]]


def test_a_kind_that_nobody_offers_is_said_to_be_empty(listing):
    assert listing("methods") == "No plugin offers methods.\n"


def test_clashes_and_broken_plugins_stand_below_with_their_reasons(listing):
    text = listing(toys=Offers(), again=Again(), failing=Failing())
    table, clashes, broken = text.split("\n\n")
    assert table.count("square") == 3  # two names, and one summary
    assert clashes.splitlines()[0] == "Clashes:"
    assert "loss 'square' is offered 2 times: by plugin 'toys' and by plugin 'again'." in clashes
    assert broken.splitlines() == ["Broken:", "  'failing': hook moft_losses failed (RuntimeError: away)."]


def test_disabled_plugins_stand_below(monkeypatch, capsys):
    monkeypatch.setenv("MOFT_DISABLE_PLUGINS", "losses")
    manager = Plugins()
    manager.load()
    typer.main.get_command(application(manager)).main(args=["plugins", "losses"], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "No plugin offers losses."
    title = lines.index("Disabled:")
    assert lines[title + 1].strip().startswith("'losses' (moft ")


def test_a_component_is_shown_with_its_settings_and_schema(listing):
    text = listing("loss", "square")
    head, table, schema = text.split("\n\n")
    assert head == "loss square: the square [of] rewards\nfrom plugin 'toys'"
    assert [line.split("  ")[0] for line in table.splitlines()] == ["setting", "power", "inner", "target"]
    power, inner, target = table.splitlines()[1:]
    assert [cell.strip() for cell in power.split("  ") if cell] == [
        "power",
        "number > 0",
        "required",
        "what rewards are raised to.",
    ]
    assert [cell.strip() for cell in inner.split("  ") if cell] == ["inner", "loss or null", "plain", "another loss."]
    assert "'softmax' or 'sum'" in target
    title, _, body = schema.partition("\n")
    assert title == "JSON Schema:"
    assert json.loads(body)["properties"]["power"]["exclusiveMinimum"] == 0


def test_a_component_without_settings_is_said_so(listing):
    assert "It has no settings." in listing("losses", "plain")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["losss"], "unknown kind of component 'losss'. Did you mean 'losses'? Kinds: tasks, methods, losses, scalarizers"),
        (["losses", "sqare"], "unknown loss 'sqare'. Did you mean 'square'? Known losses: plain, square."),
        (["samplers", "simplex"], "plugin 'toys': component 'simplex': cannot import 'no_such_module:Simplex' (ModuleNotFound"),
    ],
)
def test_what_is_not_there_is_said_so(listing, argv, message):
    with pytest.raises(MoftError) as caught:
        listing(*argv)
    assert str(caught.value).startswith(message)


def test_columns_are_aligned_two_spaces_apart():
    assert aligned([("a", "bcd"), ("long", "e")]) == ["a     bcd", "long  e"]


def test_a_terminal_gets_a_drawn_table(monkeypatch, capsys):
    import sys

    class Terminal:
        def __init__(self, stream: Any) -> None:
            self.stream = stream

        def __getattr__(self, name: str) -> Any:
            return getattr(self.stream, name)

        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", Terminal(sys.stdout))
    monkeypatch.setenv("NO_COLOR", "1")
    print_table(("kind", "summary"), [("loss", "of [red]labels[/red]")])
    out = capsys.readouterr().out
    assert "of [red]labels[/red]" in out
    assert "─" in out
