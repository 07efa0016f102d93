"""What a plugin's fault is, and how errors while building say where they come from."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import pytest

from moft import Component, ConfigError, PluginError, hookimpl
from moft.api import Factory, Loss, Positive, Sampler
from moft.config.build_component import resolve
from moft.hooks.plugin_manager import Plugins


def offering(**targets: object) -> Plugins:
    """A manager in which a plugin `odd` offers losses."""

    class Odd:
        @hookimpl
        def moft_losses(self):
            for name, target in targets.items():
                yield Component(name, target)

    manager = Plugins()
    manager.register(Odd(), "odd")
    return manager


# Plugins' faults


def test_a_component_that_cannot_be_imported_names_the_path(plugins):
    with pytest.raises(PluginError, match=r"^method.loss: plugin 'toys': component 'gone': cannot import 'no_such_module:Loss'"):
        resolve(Loss, "gone", plugins, "method.loss")


def no_annotation(*, power=1):
    return power


def catch_all(**settings):
    return settings


def positional(*values):
    return values


def called_name(*, name: str = "x"):
    return name


def unreadable(*, power: NoSuchType = 1):  # noqa: F821
    return power


def unknown_type(*, power: Loss | set[Loss] = 1):
    return power


def not_for_configs(*, power: memoryview = b""):
    return power


def wants_spec(spec, extra=1, *, power: int = 1):
    return spec


def forgets_the_star(power=1):
    return power


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            forgets_the_star,
            r"x: loss 'bad' of plugin 'odd' has power before the '\*' of its signature, where a config cannot set it; settings "
            r"come after it, as in \(\*, power: float = 1\.0\)\.",
        ),
        (no_annotation, "loss 'bad' of plugin 'odd': setting 'power' has no annotation, so it cannot be checked."),
        (catch_all, r"loss 'bad' of plugin 'odd': its signature takes \*\*settings; every setting has to be named."),
        (positional, r"loss 'bad' of plugin 'odd': its signature takes \*values; every setting has to be named."),
        (called_name, "loss 'bad' of plugin 'odd': a setting may not be called 'name', which selects the component."),
        (
            unreadable,
            r"loss 'bad' of plugin 'odd': an annotation cannot be read \(NameError: name 'NoSuchType' is not defined\).",
        ),
        (
            unknown_type,
            "loss 'bad' of plugin 'odd': setting 'power' has annotation .* cannot be filled from a config: use a list",
        ),
        (
            not_for_configs,
            "loss 'bad' of plugin 'odd': setting 'power' has annotation .*memoryview.*, which no config value can fill.",
        ),
        (
            wants_spec,
            r"x: loss 'bad' of plugin 'odd' has spec before the '\*' of its signature, which moft does not supply here.",
        ),
    ],
)
def test_a_signature_that_no_config_can_fill_is_the_plugins_fault(target, message):
    with pytest.raises(PluginError, match=message):
        resolve(Loss, "bad", offering(bad=target), "x")


def test_what_the_engine_may_leave_out_is_no_setting_and_told_only_where_it_is_set():
    def target(size, extra=2, *, power: int = 1):
        return size * extra * power

    plugins = offering(fine=target)
    assert resolve(Factory[Loss], "fine", plugins).make()(3) == 3 * 2 * 1
    with pytest.raises(
        PluginError, match=r"loss 'fine' of plugin 'odd' has extra before the '\*' of its signature, where a config cannot set it"
    ):
        resolve(Factory[Loss], {"name": "fine", "extra": 5}, plugins)


def test_annotations_left_of_the_star_need_not_be_importable():
    def target(spec: OnlyForTypeCheckers, *, power: int = 1) -> Any:  # noqa: F821
        return spec, power

    assert resolve(Factory[Loss], "fine", offering(fine=target)).make()("s") == ("s", 1)


def test_partials_and_objects_are_targets():
    class Callable:
        def __call__(self, *, power: int = 1) -> int:
            return power

    def target(size: int, *, power: int = 2) -> int:
        return size * power

    plugins = offering(partial=functools.partial(target, 3), object=Callable())
    assert resolve(Loss, "partial", plugins).make() == 6
    assert resolve(Loss, {"name": "object", "power": 5}, plugins).make() == 5


# Errors while building


def test_an_expected_error_while_building_says_where_the_config_asks_for_it(plugins):
    value = {"name": "simplex", "low": 2}
    later = resolve(Factory[Sampler], value, plugins, "method.sampler").make()
    with pytest.raises(ConfigError) as caught:
        later(3)
    assert str(caught.value) == "[method.sampler] 'simplex' needs low < high, got low=2.0, high=1.0."


def test_an_error_that_knows_its_setting_is_left_as_it_is():
    def target(*, heads: int = 3) -> Any:
        raise ConfigError(f"[task.heads] {heads} heads do not divide a width of 64.")

    with pytest.raises(ConfigError) as caught:
        resolve(Loss, "bad", offering(bad=target), "task").make()
    assert str(caught.value) == "[task.heads] 3 heads do not divide a width of 64."


def test_an_error_of_the_machine_without_a_file_is_told_with_its_plugin_and_one_with_a_file_as_it_is():
    def fails(*, file: str = "") -> Any:
        raise FileNotFoundError(2, "No such file", file) if file else ConnectionError("no network")

    plugins = offering(bad=fails)
    with pytest.raises(PluginError) as caught:
        resolve(Loss, "bad", plugins, "loss").make()
    assert str(caught.value) == (
        "[loss] loss 'bad' of plugin 'odd' cannot be built (ConnectionError: no network). MOFT_TRACE=1 shows where."
    )
    with pytest.raises(FileNotFoundError, match="gone"):
        resolve(Loss, {"name": "bad", "file": "gone"}, plugins, "loss").make()


def test_an_error_of_an_inner_component_is_told_once_with_the_inner_path(plugins):
    value = {"name": "weighted", "losses": ["plain", {"name": "dividing", "by": 0}]}
    with pytest.raises(PluginError) as caught:
        resolve(Loss, value, plugins, "loss").make()
    assert str(caught.value) == (
        "[loss.losses.1] loss 'dividing' of plugin 'toys' cannot be built (ZeroDivisionError: division by zero). "
        "MOFT_TRACE=1 shows where."
    )


def test_an_error_in_a_record_names_it(plugins):
    @dataclass(frozen=True)
    class Grid:
        points: int = 11

        def __post_init__(self) -> None:
            if self.points % 2 == 0:
                raise ConfigError(f"points must be odd, got {self.points}.")

    with pytest.raises(ConfigError) as caught:
        resolve(Grid, {"points": 4}, plugins, "front").make()
    assert str(caught.value) == "[front] points must be odd, got 4."


def test_a_file_that_is_not_there_is_no_plugins_fault(plugins, tmp_path):
    with pytest.raises(FileNotFoundError):
        resolve(Loss, {"name": "reading", "path": str(tmp_path / "gone")}, plugins).make()


def test_an_annotation_of_the_caller_that_no_config_can_fill_is_refused(plugins):
    with pytest.raises(PluginError, match=r"x: annotation .*memoryview.*, which no config value can fill"):
        resolve(memoryview, b"", plugins, "x")


def test_a_default_that_its_own_annotation_refuses_is_told_as_the_plugins():
    def target(*, power: Positive = -1.0) -> Any:
        return power

    with pytest.raises(ConfigError) as caught:
        resolve(Loss, "bad", offering(bad=target), "x")
    assert str(caught.value) == "x.power: must be greater than 0, got -1.0. This is the default in loss 'bad' of plugin 'odd'."


def test_every_fault_of_plugins_and_every_mistake_is_told_at_once():
    plugins = offering(bad=no_annotation, gone="no_such_module:Loss")

    @dataclass(frozen=True)
    class Losses:
        first: Loss
        second: Loss
        power: Positive

    with pytest.raises(PluginError) as caught:
        resolve(Losses, {"first": "bad", "second": "gone", "power": 0}, plugins, "losses")
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == ["losses.first", "losses.second", "losses.power"]


def test_a_component_that_leaves_the_process_while_it_is_built_is_named():
    def leaving() -> Any:
        raise SystemExit(3)

    with pytest.raises(PluginError, match=r"\[x\] loss 'bad' of plugin 'odd' cannot be built \(SystemExit: 3\)"):
        resolve(Loss, "bad", offering(bad=leaving), "x").make()
