"""Error messages about the plugins of a run: which one failed, and which ones are missing."""

from __future__ import annotations

import traceback
from pathlib import Path

import torch

from moft.errors import MoftError, PluginError, RunError
from moft.hooks.plugin_manager import Plugins
from moft.run.folder.layout_version import read_versions
from moft.run.folder.run_folder import RunFolder
from moft.suggestions import listed, one_line

_TRACE = "MOFT_TRACE=1 shows where."


def plugin_fault(error: BaseException, plugins: Plugins) -> str | None:
    """Which plugin caused an unexpected error or returned something invalid, in words; None if no plugin did.

    Args:
        error: that ended the run. The plugin is that of the innermost plugin function in its traceback; without one, the
            error may name the module.
        plugins: of the run.
    """
    # the engine may already have said which component failed, but not whose it is
    cause = error.__cause__ if isinstance(error, PluginError) and error.__cause__ is not None else error
    blamed = error.module if isinstance(error, MoftError) else ""
    expected = isinstance(cause, MoftError | OSError | torch.OutOfMemoryError | KeyboardInterrupt)
    if not blamed and (expected or not isinstance(cause, Exception | SystemExit)):
        return None
    in_traceback = (
        [] if expected else [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(cause.__traceback__)]
    )
    modules = [blamed, *in_traceback]
    origin = next((found for module in reversed(modules) if (found := plugins.origin_of(module)) is not None), None)
    if origin is None or str(origin) in str(error):
        return None
    reason = one_line(error) if cause is error and not blamed else str(error).removesuffix(f"; {_TRACE}").rstrip(".")
    return f"plugin {origin} failed ({reason})"


def plugin_error(error: Exception, plugins: Plugins) -> PluginError | None:
    """The error of a command other than training in which a plugin failed; None for other errors."""
    fault = plugin_fault(error, plugins)
    return None if fault is None else PluginError(f"{fault}. {_TRACE}")


def run_plugin_error(path: Path, fault: str) -> RunError:
    """The error of a run in which a plugin failed, with how to continue."""
    next_step = (
        "The last checkpoint is kept: fix the plugin, then continue with --resume."
        if path.exists()
        else "Nothing was trained yet, so no folder is left."
    )
    return RunError(f"{path}: {fault}. {next_step} {_TRACE}")


def missing_plugins(folder: RunFolder, plugins: Plugins) -> str:
    """A sentence about the plugins of a run that are not installed; empty if all are."""
    used = read_versions(folder.versions).get("plugins", {}) if folder.versions.exists() else {}
    installed = {origin.plugin for origin in plugins.registered()}
    files = {Path(file).name for file in folder.resolved_config().get("plugins", ())}
    missing = [f"{name!r} ({source})" for name, source in used.items() if name not in installed and Path(name).name not in files]
    return f" The run was made with plugins that are not installed: {listed(missing)}." if missing else ""
