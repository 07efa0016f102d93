"""Keeps how long each job took in a file of the run folder."""

from moft import hookimpl


@hookimpl
def moft_step_ended(run, step, values):
    if values["progress"] == 1.0:
        with (run.folder / "stopwatch.txt").open("a") as file:
            print(values["job"], step, values["seconds"], file=file)
