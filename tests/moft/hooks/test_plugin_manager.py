"""The plugin manager: isolation, selection by name, and what it refuses."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from types import SimpleNamespace

import pytest

from moft import Component, PluginError, hookimpl
from moft.hooks.plugin_manager import Plugins
from moft.hooks.registry import KINDS


class Toy:
    """Offers the losses it is given."""

    def __init__(self, *names: str) -> None:
        self.names = names

    @hookimpl
    def moft_losses(self):
        for name in self.names:
            yield Component(name, dict, f"the loss {name}")


class Failing:
    @hookimpl
    def moft_losses(self):
        yield Component("never", dict)
        raise RuntimeError("database\nis away")


class Careless:
    @hookimpl
    def moft_losses(self):
        return ["listnet"]


class Entry:
    """An entry point whose plugin is `found`, or raises it."""

    def __init__(self, name: str, found: object) -> None:
        self.name = name
        self.dist = SimpleNamespace(name=f"{name}-package", version="1.2")
        self.found = found

    def load(self) -> object:
        if isinstance(self.found, BaseException):
            raise self.found
        return self.found


@pytest.fixture
def installed(monkeypatch):
    """Pretends that these entry points are installed."""
    monkeypatch.delenv("MOFT_DISABLE_PLUGINS", raising=False)

    def install(**plugins: object) -> Plugins:
        entries = [Entry(name, found) for name, found in plugins.items()]
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: entries if group == "moft" else [])
        return Plugins()

    return install


def names(plugins: Plugins) -> list[str]:
    return [offer.component.name for offer in plugins.offers("losses")]


def test_a_new_manager_is_empty():
    plugins = Plugins()
    assert plugins.registered() == plugins.broken() == plugins.clashes() == []
    assert all(plugins.offers(kind) == [] for kind in KINDS)


def test_loading_and_listing_import_no_torch():
    code = (
        "import sys; from moft.hooks.plugin_manager import KINDS, Plugins; from moft.hooks.observers import Observers; "
        "p = Plugins(); p.load(); [p.offers(k) for k in KINDS]; assert p.registered(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_offer_names_plugin_package_and_version(installed):
    plugins = installed(toy=Toy("one"))
    plugins.load()
    (offer,) = plugins.offers("losses")
    assert (offer.component.name, offer.plugin, offer.package, offer.version) == ("one", "toy", "toy-package", "1.2")
    assert str(offer.origin) == "'toy' (toy-package 1.2)"


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (ImportError("No module named 'gone'"), "cannot be imported (ImportError: No module named 'gone')."),
        (SystemExit(3), "cannot be imported (SystemExit: 3)."),
        (SyntaxError("invalid\nsyntax"), "cannot be imported (SyntaxError: invalid syntax)."),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_recorded_and_the_others_work(installed, trouble, reason):
    plugins = installed(bad=trouble, good=Toy("one"))
    plugins.load()
    assert names(plugins) == ["one"]
    (broken,) = plugins.broken()
    assert (broken.origin.plugin, broken.origin.package, broken.origin.version, broken.reason) == (
        "bad",
        "bad-package",
        "1.2",
        reason,
    )


def test_a_plugin_that_is_refused_is_recorded_and_the_others_work(installed):
    class Misspelt:
        @hookimpl
        def moft_loses(self):
            return []

    plugins = installed(bad=Misspelt(), good=Toy("one"))
    plugins.load()
    assert names(plugins) == ["one"]
    assert "'moft_loses'" in plugins.broken()[0].reason


def test_an_interrupt_while_loading_passes_through(installed):
    plugins = installed(bad=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        plugins.load()


def test_the_environment_disables_plugins_by_name(installed, monkeypatch):
    plugins = installed(a=Toy("one"), b=Toy("two"), c=Toy("three"))
    monkeypatch.setenv("MOFT_DISABLE_PLUGINS", "a, c")
    plugins.load()
    assert names(plugins) == ["two"]
    assert [origin.plugin for origin in plugins.disabled()] == ["a", "c"]
    assert plugins.broken() == []


def test_the_caller_disables_plugins_by_name(installed):
    plugins = installed(a=Toy("one"), b=Toy("two"))
    plugins.load(disable=["b"])
    assert names(plugins) == ["one"]


def test_disabling_what_is_not_installed_is_refused(installed, monkeypatch):
    plugins = installed(console=Toy("one"))
    monkeypatch.setenv("MOFT_DISABLE_PLUGINS", "consle")
    with pytest.raises(PluginError) as caught:
        plugins.load()
    assert (
        str(caught.value)
        == "cannot disable plugin 'consle': it is not installed. Did you mean 'console'? Installed plugins: console."
    )


def test_a_misspelt_hook_is_refused_with_plugin_and_hook_and_nothing_changes():
    class Misspelt(Toy):
        @hookimpl
        def moft_samplrs(self):
            return []

    plugins = Plugins()
    with pytest.raises(
        PluginError, match=r"plugin 'toy' is refused: moft has no hook 'moft_samplrs'. Did you mean 'moft_samplers'\?"
    ):
        plugins.register(Misspelt("one"), "toy")
    assert plugins.registered() == []
    assert names(plugins) == []
    plugins.register(Toy("two"), "toy")
    assert names(plugins) == ["two"]


def test_a_hook_with_an_unknown_argument_is_refused_and_nothing_changes():
    class Greedy(Toy):
        @hookimpl
        def moft_samplers(self, context):
            return []

    plugins = Plugins()
    with pytest.raises(PluginError, match=r"plugin 'greedy' is refused: .*context") as caught:
        plugins.register(Greedy("one"), "greedy")
    assert "\n" not in str(caught.value)
    assert plugins.registered() == []
    assert names(plugins) == []


def test_a_hook_without_its_decorator_is_refused():
    class Bare:
        def moft_losses(self):
            return []

    with pytest.raises(PluginError, match="plugin 'bare' is refused: its hook moft_losses lacks the decorator @hookimpl"):
        Plugins().register(Bare(), "bare")


def test_a_class_is_refused():
    with pytest.raises(PluginError, match="plugin 'toy' is refused: Toy is a class; register an instance of it"):
        Plugins().register(Toy, "toy")


def test_a_wrapper_is_refused():
    class Wrapper:
        @hookimpl(wrapper=True)
        def moft_losses(self):
            return (yield)

    with pytest.raises(PluginError, match="plugin 'w' is refused: its hook moft_losses is a wrapper"):
        Plugins().register(Wrapper(), "w")


def test_a_plugin_without_hooks_is_refused():
    with pytest.raises(PluginError, match="plugin 'empty' is refused: it has no hook"):
        Plugins().register(SimpleNamespace(), "empty")


def test_a_name_that_is_taken_is_refused():
    plugins = Plugins()
    plugins.register(Toy("one"), "toy")
    with pytest.raises(PluginError, match="plugin 'toy' is refused: plugin 'toy' already has this name"):
        plugins.register(Toy("two"), "toy")


def test_an_object_is_registered_once():
    plugins, toy = Plugins(), Toy("one")
    plugins.register(toy, "toy")
    with pytest.raises(PluginError, match="plugin 'again' is refused: it is already registered, as 'toy'"):
        plugins.register(toy, "again")


def test_an_offer_hook_that_raises_is_broken_and_the_others_offer():
    plugins = Plugins()
    plugins.register(Failing(), "failing")
    plugins.register(Toy("one"), "toy")
    assert names(plugins) == ["one"]
    assert [(b.origin.plugin, b.reason) for b in plugins.broken()] == [
        ("failing", "hook moft_losses failed (RuntimeError: database is away).")
    ]


def test_an_offer_that_is_no_component_is_broken_and_told_once():
    plugins = Plugins()
    plugins.register(Careless(), "careless")
    assert names(plugins) == names(plugins) == []
    plugins.register(Toy("one"), "toy")
    assert names(plugins) == ["one"]
    assert [b.reason for b in plugins.broken()] == ["hook moft_losses offers 'listnet', which is a str and not a Component."]


def test_an_unknown_kind_says_the_kinds():
    with pytest.raises(PluginError, match=r"unknown kind of component 'loses'. Did you mean 'losses'\? Kinds: tasks, methods"):
        Plugins().offers("loses")


def test_a_component_is_selected_by_name():
    plugins = Plugins()
    plugins.register(Toy("one", "two"), "toy")
    assert plugins.select("losses", "two").summary == "the loss two"


def test_an_unknown_name_says_the_nearest_all_known_and_what_did_not_load(installed):
    plugins = installed(bad=ImportError("no sklearn"), off=Toy("x"), good=Toy("listnet", "ipo"))
    plugins.load(disable=["off"])
    with pytest.raises(PluginError) as caught:
        plugins.select("losses", "lisnet")
    assert str(caught.value) == (
        "unknown loss 'lisnet'. Did you mean 'listnet'? Known losses: ipo, listnet. These plugins are broken: "
        "'bad' (bad-package 1.2): cannot be imported (ImportError: no sklearn). These plugins are disabled: off."
    )


def test_a_name_offered_twice_is_refused_with_both_plugins_and_other_names_work(installed):
    plugins = installed(a=Toy("one", "two"), b=Toy("two"))
    plugins.load()
    message = "loss 'two' is offered 2 times: by plugin 'a' (a-package 1.2) and by plugin 'b' (b-package 1.2)."
    with pytest.raises(PluginError) as caught:
        plugins.select("losses", "two")
    assert str(caught.value).startswith(message)
    assert [str(clash).startswith(message) for clash in plugins.clashes()] == [True]
    assert plugins.select("losses", "one").name == "one"


def test_a_name_that_a_file_offers_too_is_to_be_changed_there(installed, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from moft import Component, hookimpl\n@hookimpl\ndef moft_losses():\n    yield Component('one', 'a:b', 'c')\n"
    )
    plugins = installed(a=Toy("one"))
    plugins.load()
    plugins.register_file(file)
    with pytest.raises(PluginError) as caught:
        plugins.select("losses", "one")
    assert str(caught.value) == (
        f"loss 'one' is offered 2 times: by plugin 'a' (a-package 1.2) and by plugin '{file}'. Give it another name in {file}."
    )


def test_a_preferred_file_has_a_name_that_others_offer_too_and_they_keep_theirs(installed, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from moft import Component, hookimpl\n@hookimpl\ndef moft_losses():\n    yield Component('one', 'a:b', 'mine')\n"
    )
    plugins = installed(a=Toy("one", "two"))
    plugins.load()
    plugins.register_file(file, is_preferred=True)
    for known in (plugins, plugins.copy()):
        assert known.select("losses", "one").summary == "mine"
        assert known.offer("losses", "two").plugin == "a"


def test_implementations_take_the_arguments_that_they_name():
    told = []

    class Observer:
        @hookimpl
        def moft_step_ended(self, step):
            told.append(step)

    plugins = Plugins()
    plugins.register(Observer(), "observer")
    (implementation,) = plugins.implementations("moft_step_ended")
    implementation(run=None, step=3, values={})
    assert told == [3]


def test_of_two_plugins_with_one_name_the_shipped_one_works(installed, monkeypatch):
    plugins = installed(losses=Toy("one"))
    (other,) = importlib.metadata.entry_points(group="moft")
    shipped = Entry("losses", Toy("two"))
    shipped.dist = SimpleNamespace(name="moft", version="1")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: [other, shipped])
    plugins.load()
    assert names(plugins) == ["two"]
    assert [str(broken.origin) for broken in plugins.broken()] == ["'losses' (losses-package 1.2)"]


def test_a_copy_has_the_same_plugins_and_learns_of_others_alone(installed):
    plugins = installed(good=Toy("one"), bad=ImportError("gone"))
    plugins.load()
    copy = plugins.copy()
    copy.register(Toy("two"), "more")
    assert (names(plugins), names(copy)) == (["one"], ["one", "two"])
    assert copy.broken() == plugins.broken() != []


def test_a_module_belongs_to_the_plugin_whose_package_it_is_in(plugins):
    assert plugins.origin_of("moft_losses.listnet").plugin == "losses"
    assert plugins.origin_of("moft_losses").plugin == "losses"
    assert plugins.origin_of("moft_losses_of_another") is None
    assert plugins.origin_of("torch.nn") is None


def test_a_plugin_that_ends_the_process_while_it_offers_is_broken():
    class Leaving:
        @hookimpl
        def moft_losses(self):
            raise SystemExit(3)

    plugins = Plugins()
    plugins.register(Leaving(), "leaving")
    assert names(plugins) == []
    assert [b.reason for b in plugins.broken()] == ["hook moft_losses failed (SystemExit: 3)."]


def test_an_offer_that_cannot_be_imported_names_its_plugin(installed):
    class Gone:
        @hookimpl
        def moft_losses(self):
            yield Component("gone", "no_such_module:Loss")

    plugins = installed(toy=Gone())
    plugins.load()
    with pytest.raises(PluginError, match=r"^plugin 'toy' \(toy-package 1.2\): component 'gone': cannot import 'no_such_module"):
        plugins.offer("losses", "gone").load()
