"""The contract of observers."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory

from moft.testing.contracts.assertions import broken_rule, require
from moft.testing.example_runs import run_events
from moft.testing.single_plugin import register_alone

_HOOKS = ("moft_run_started", "moft_step_ended", "moft_points_measured", "moft_front_profiled", "moft_run_ended")


def check_observer(plugin: object) -> None:
    """Checks the contract of observers, with the events of example runs.

    It has at least one of the five hooks of a run, and none of them raises: in runs that finish and runs that fail, with and
    without steps, new and resumed in the same folder, and in another folder. The values that it gets are not changed.

    Args:
        plugin: a module, or an object, with hooks.

    Raises:
        AssertionError: a rule is broken; the message gives the rule, what was found and the input.
    """
    plugins = register_alone(plugin, "observer")
    implemented = [hook for hook in _HOOKS if plugins.implementations(hook)]
    require(bool(implemented), f"one of the hooks {', '.join(_HOOKS)}", "none", "the plugin")
    with TemporaryDirectory() as folder:
        for hook, arguments, on in run_events(Path(folder)):
            for implementation in plugins.implementations(hook):
                before = deepcopy(arguments.get("values"))
                try:
                    implementation(**arguments)
                except Exception as error:
                    raise broken_rule(f"{hook} does not raise", error, on) from error
                require(arguments.get("values") == before, "values are not changed", arguments.get("values"), f"{hook}, {on}")
