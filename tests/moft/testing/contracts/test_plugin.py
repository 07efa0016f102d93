"""The contract of plugins finds what it promises to find, and every installed plugin keeps it."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

from moft import Component, hookimpl
from moft.testing import check_plugin


class Fine:
    """A loss.

    Args:
        power: of rewards.
    """

    def __init__(self, *, power: int = 2) -> None:
        self.power = power


class Bare:
    def __init__(self, *, power: int = 2) -> None:
        self.power = power


class Untyped:
    """Args:
    power: of rewards.
    """

    def __init__(self, *, power=2) -> None:
        self.power = power


class Starless:
    def __init__(self, power=2) -> None:
        self.power = power


class Offers:
    """Offers losses, or raises."""

    def __init__(self, *components: object) -> None:
        self.components = components

    @hookimpl
    def moft_losses(self):
        for component in self.components:
            if isinstance(component, Exception):
                raise component
            yield component


class Adds:
    def __init__(self, help: str | None = "Says hello.", annotation: object = str) -> None:
        self.help, self.annotation = help, annotation

    @hookimpl
    def moft_commands(self, app):
        def hello(name):
            return None

        hello.__annotations__["name"] = self.annotation
        app.command("hello", help=self.help)(hello)


class AddsNothing:
    @hookimpl
    def moft_commands(self, app):
        return None


@pytest.mark.parametrize("entry", [pytest.param(e, id=e.name) for e in entry_points(group="moft") if e.dist.name == "moft"])
def test_every_shipped_plugin_keeps_the_contract(entry):
    check_plugin(entry.load())


def test_sound_plugins_pass():
    check_plugin(Offers(Component("my-loss", Fine, "fine"), Component("other", Fine, "fine too")))
    check_plugin(Adds())


@pytest.mark.parametrize(
    ("plugin", "rule"),
    [
        (object(), "hooks that moft knows; got: plugin 'plugin' is refused: it has no hook"),
        (Offers(ValueError("away")), "moft_losses yields components; got: hook moft_losses failed .ValueError: away"),
        (Offers("listnet"), "moft_losses yields components; got: .*offers 'listnet', which is a str"),
        (Offers(*[Component("a", Fine, "x")] * 2), "a name is offered once; got: a twice; input: moft_losses"),
        (Offers(Component("My_Loss", Fine, "x")), "a name of lower-case .*; got: 'My_Loss'; input: loss 'My_Loss'"),
        (Offers(Component("a", Fine)), "a summary, in one line; got: ''; input: loss 'a'"),
        (
            Offers(Component("a", "gone:Loss", "x")),
            "a target with settings .*; got: plugin 'plugin': component 'a': cannot",
        ),
        (Offers(Component("a", Untyped, "x")), "a target with settings .*; got: .*setting 'power' has no annotation"),
        (
            Offers(Component("a", Starless, "x")),
            r"settings come after the '\*' of the signature; got: power before it, where a config cannot set it",
        ),
        (
            Offers(Component("a", Bare, "x")),
            "every setting is described under `Args`; got: no description of power; input: loss 'a'",
        ),
        (AddsNothing(), "moft_commands adds a command; got: none; input: two empty groups"),
        (Adds(help=None), "a command has a help text; got: none; input: 'moft hello'"),
        (Adds(annotation="NoSuchType"), "commands that typer can parse; got: NameError"),
    ],
)
def test_a_plugin_that_breaks_a_rule_is_told_which(plugin, rule):
    with pytest.raises(AssertionError, match=f"expected: {rule}"):
        check_plugin(plugin)
