"""Keeps a diary."""

from pathlib import Path


class Diary:
    """A line for every evaluation and every front.

    Args:
        run: that it is about.
        file: that the lines go to.
    """

    def __init__(self, run, *, file: str = "diary.txt"):
        self._name, self._file = run.name, Path(file)

    def run_started(self):
        self._write("began")

    def step_ended(self, step, values):
        if "hypervolume" in values:
            self._write(f"step {step}: {values['hypervolume']:.4f}")

    def front_profiled(self, front):
        self._write(f"{len(front.points)} points")

    def run_ended(self, error):
        self._write("failed" if error else "done")

    def _write(self, text):
        with self._file.open("a") as file:
            print(self._name, text, file=file)
