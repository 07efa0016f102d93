"""Multi-objective fine-tuning: train one policy, steer it at inference. Importing this is fast; `moft.api` has the rest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from moft.errors import BusyError, ConfigError, DataError, MoftError, PluginError, RunError, ShapeError
from moft.files.cache_folder import cache_folder
from moft.hooks.component_record import Component
from moft.hooks.specs import hookimpl

__all__ = [
    "BusyError",
    "Component",
    "ConfigError",
    "DataError",
    "MoftError",
    "PluginError",
    "RunError",
    "ShapeError",
    "cache_folder",
    "hookimpl",
    "open_run",
]
__version__ = "0.2.0"

if TYPE_CHECKING:
    from moft.hooks.plugin_manager import Plugins
    from moft.run.policy.batch_scorer import BatchScorer as BatchScorer
    from moft.run.policy.choices.choice_files import NamedChoice as NamedChoice
    from moft.run.policy.choices.expected_outcomes import MeasuredOutcomes as MeasuredOutcomes
    from moft.run.policy.choices.predicted_choice import PredictedChoice as PredictedChoice
    from moft.run.policy.open_run import OpenedRun as OpenedRun
    from moft.run.policy.run_page import SteeringPage as SteeringPage


def open_run(path: Path | str, *, device: str = "auto", trust: bool = False, plugins: Plugins | None = None) -> OpenedRun:
    """Opens a finished run, with all installed plugins loaded; imports torch.

    Args:
        path: the run folder.
        device: `auto` takes a GPU if there is one; `cpu` does not.
        trust: you trust the run's plugin files, which are Python code that is run; their contents are remembered as trusted.
        plugins: those that are loaded already, as a command has them; the run's plugin files are added. None loads them.

    Raises:
        RunError: there is no finished run, its files are damaged, or its plugin files are not trusted.
    """
    from moft.hooks.plugin_manager import Plugins
    from moft.run.policy.open_run import open_run

    if plugins is None:
        plugins = Plugins()
        plugins.load()
    return open_run(Path(path), plugins, device=device, trust=trust)
