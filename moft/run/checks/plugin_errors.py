"""What a run is told of plugins: one that failed in its midst, and those that it was made with and that are not there."""

from __future__ import annotations

import traceback
from pathlib import Path

import torch

from moft.errors import MoftError, PluginError, RunError
from moft.files.json import read_json
from moft.hooks.plugin_manager import Plugins
from moft.run.folder.run_folder import RunFolder
from moft.suggestions import listed, one_line

_TRACE = "MOFT_TRACE=1 shows where."


def plugin_fault(error: BaseException, plugins: Plugins) -> str | None:
    """Which plugin raised what no user can cause, or broke a promise, in words; None where none did.

    Args:
        error: as it ended the run; the innermost function of a plugin that it passed is the plugin's whose fault it is, and where
            it passed none, the error may say whose.
        plugins: those of the run.
    """
    # the engine may have told already which part of it failed, and not whose it is
    cause = error.__cause__ if isinstance(error, PluginError) and error.__cause__ is not None else error
    blamed = error.module if isinstance(error, MoftError) else ""
    expected = isinstance(cause, MoftError | OSError | torch.OutOfMemoryError | KeyboardInterrupt)
    if not blamed and (expected or not isinstance(cause, Exception | SystemExit)):
        return None
    passed = [] if expected else [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(cause.__traceback__)]
    modules = [blamed, *passed]
    origin = next((found for module in reversed(modules) if (found := plugins.origin_of(module)) is not None), None)
    if origin is None or str(origin) in str(error):
        return None
    reason = one_line(error) if cause is error and not blamed else str(error).removesuffix(f"; {_TRACE}").rstrip(".")
    return f"plugin {origin} failed ({reason})"


def plugin_error(error: Exception, plugins: Plugins) -> PluginError | None:
    """The error of a plugin that failed outside training, with its name; None where none did."""
    fault = plugin_fault(error, plugins)
    return None if fault is None else PluginError(f"{fault}. {_TRACE}")


def run_plugin_error(path: Path, fault: str) -> RunError:
    """The error of a run that a plugin ended, which says what is left of it."""
    left = (
        "The last checkpoint is kept: repair the plugin, then go on by --resume."
        if path.exists()
        else "Nothing was learned yet, so nothing is left."
    )
    return RunError(f"{path}: {fault}. {left} {_TRACE}")


def missing_plugins(folder: RunFolder, plugins: Plugins) -> str:
    """A sentence on the plugins that a run was made with and that are not there; empty when all are."""
    kept = read_json(folder.versions).get("plugins", {}) if folder.versions.exists() else {}
    here = {origin.plugin for origin in plugins.registered()}
    files = {Path(file).name for file in folder.resolved_config().get("plugins", ())}
    gone = [f"{name!r} ({source})" for name, source in kept.items() if name not in here and Path(name).name not in files]
    return f" The run was made with plugins that are not there: {listed(gone)}." if gone else ""
