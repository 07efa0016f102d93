"""One session of `moft train`: the run folder is open and held, observers are called, and errors end it in an orderly way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moft.config.build_component import Resolved
from moft.engine.distributed.processes import Processes, broadcast_from_main
from moft.errors import ConfigError, DataError, PluginError, ShapeError
from moft.hooks.observers import Observers
from moft.hooks.plugin_manager import Plugins
from moft.run.checks.compatibility import check_trains_one_model
from moft.run.checks.out_of_memory import memory_fault, run_memory_error
from moft.run.checks.plugin_errors import plugin_fault, run_plugin_error
from moft.run.folder.checkpoint import RunRecords, adopt_checkpoints
from moft.run.folder.plugin_copies import allow_repair, check_same_plugins, update_copies
from moft.run.folder.resume import check_same_config, fingerprint, fingerprint_of_0_2
from moft.run.folder.run_folder import RunFolder, is_unused
from moft.run.folder.start_folders import placed_again
from moft.run.run_config import trackers_of
from moft.run.run_settings import RunSettings
from moft.types import Run


@dataclass(frozen=True)
class TrainingSession:
    """What the steps of a run work with.

    Args:
        settings: of the run.
        folder: held by the main process.
        records: checkpoints, step values and notes, in the folder.
        observers: of the run.
        plugins: of the run.
        processes: that share it; usually one.
        is_resumed: True where an earlier session began the run.
        home: the folder that relative paths of the config start from.
    """

    settings: RunSettings
    folder: RunFolder
    records: RunRecords
    observers: Observers
    plugins: Plugins
    processes: Processes
    is_resumed: bool
    home: Path

    @contextmanager
    def before_training(self) -> Iterator[None]:
        """A block whose mistakes in config or data remove a new run folder.

        At most a base model was trained by then, and another config or other data need another one.
        """
        try:
            yield
        except (ConfigError, DataError, PluginError, ShapeError):
            if self.processes.is_main and not self.is_resumed:
                self.folder.discard()
            raise


@contextmanager
def open_session(resolved: Resolved, path: Path, plugins: Plugins, *, resume: bool) -> Iterator[TrainingSession]:
    """Opens a session for the run folder `path`, which is made, or opened again with `resume` if it exists.

    Raises:
        RunError: the folder exists, belongs to another config, or is in use; or memory ran out or a plugin failed in the block.
    """
    settings: RunSettings = resolved.make()
    processes = Processes(is_cpu=settings.trainer.is_cpu, sharding=settings.trainer.sharding)
    # Asked in the main process alone: another might look only after that one has made the folder.
    is_resumed = broadcast_from_main(resume and path.exists() and not is_unused(path), processes.count)
    home = Path.cwd()
    try:
        if is_resumed:
            home, resolved = placed_again(RunFolder(path), resolved, plugins)
            settings = resolved.make()
        if processes.is_sharding:
            check_trains_one_model(settings.method)
        trackers = processes.first(lambda: trackers_of(resolved, path, plugins)) or {}
        config = resolved.plain
        folder = processes.first(
            lambda: _reopen(path, config, plugins) if is_resumed else RunFolder.create(path, config)
        ) or RunFolder(path)
        observed = plugins if processes.is_main else Plugins()
        observers = Observers(observed, Run(path.name, path, resolved.plain), trackers)
        records = RunRecords(folder, fingerprint(resolved.plain), observers, is_main=processes.is_main)
        observers.run_started()
        try:
            yield TrainingSession(settings, folder, records, observers, plugins, processes, is_resumed, home)
        except BaseException as error:
            observers.run_ended(error)
            if processes.is_main and not is_resumed:
                folder.discard_if_empty()
            if (shortage := memory_fault(error)) is not None:
                raise run_memory_error(path, shortage, resolved.plain) from error
            fault = plugin_fault(error, plugins)
            if processes.is_main and isinstance(error, Exception) and folder.is_in_place:
                allow_repair(folder, resolved.plain["plugins"])
            if fault is not None:
                raise run_plugin_error(path, fault) from error
            raise
        finally:
            records.close()
            folder.release()
        observers.run_ended(None)
    except BaseException as error:
        processes.end(error)
        raise
    processes.end()


def _reopen(path: Path, config: Mapping[str, Any], plugins: Plugins) -> RunFolder:
    """The run at `path`, held by this process; what training depends on must be as it was."""
    folder = RunFolder.open(path)
    kept = check_same_config(folder, config, plugins)
    check_same_plugins(folder, config["plugins"])
    folder.hold()
    folder.clean()
    update_copies(folder, config["plugins"])
    adopt_checkpoints(folder, fingerprint_of_0_2(kept), fingerprint(config))
    if kept != config:
        folder.write_config(config)
    return folder
