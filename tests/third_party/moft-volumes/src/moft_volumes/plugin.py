"""Adds `moft volumes`, which tells the hypervolumes of runs."""

import json
from pathlib import Path

from moft import RunError, hookimpl


@hookimpl
def moft_commands(app):
    @app.command("volumes")
    def volumes(runs: list[Path]) -> None:
        """Tell the hypervolume of each run."""
        for run in runs:
            if not (run / "front.json").exists():
                raise RunError(f"{run}: holds no front.")
            print(run.name, json.loads((run / "front.json").read_text())["hypervolume"]["value"])
