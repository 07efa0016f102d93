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
    ("plugin", "promise"),
    [
        (object(), "hooks that moft knows. Seen: plugin 'plugin' is refused: it has no hook"),
        (Offers(ValueError("away")), "moft_losses yields components. Seen: hook moft_losses failed .ValueError: away"),
        (Offers("listnet"), "moft_losses yields components. Seen: .*offers 'listnet', which is a str"),
        (Offers(*[Component("a", Fine, "x")] * 2), "a name is offered once. Seen: a twice. On: moft_losses"),
        (Offers(Component("My_Loss", Fine, "x")), "a name of lower-case .* Seen: 'My_Loss'. On: loss 'My_Loss'"),
        (Offers(Component("a", Fine)), "a summary, in one line. Seen: ''. On: loss 'a'"),
        (
            Offers(Component("a", "gone:Loss", "x")),
            "a target with settings .* Seen: plugin 'plugin': component 'a': cannot",
        ),
        (Offers(Component("a", Untyped, "x")), "a target with settings .* Seen: .*setting 'power' has no annotation"),
        (
            Offers(Component("a", Starless, "x")),
            "settings stand right of the star. Seen: power left of it, where no config can set",
        ),
        (Offers(Component("a", Bare, "x")), "every setting has its meaning under Args. Seen: nothing of power. On: loss 'a'"),
        (AddsNothing(), "moft_commands adds a command. Seen: none. On: two empty groups"),
        (Adds(help=None), "a command has a help text. Seen: none. On: 'moft hello'"),
        (Adds(annotation="NoSuchType"), "commands that typer can parse. Seen: NameError"),
    ],
)
def test_a_plugin_that_breaks_a_promise_is_told_which(plugin, promise):
    with pytest.raises(AssertionError, match=f"promised: {promise}"):
        check_plugin(plugin)
