"""Reads duels from lines with tabs: a question, two answers, and which is better."""

from moft import DataError
from moft.api import LabelledTexts, PathOrName


class Rival:
    """Duels of two answers.

    Args:
        path: of a file of lines: question, first answer, second answer, and `first` or `second`.
    """

    def __init__(self, *, path: PathOrName):
        self.places = [path]

    def lists(self, split):
        (path,) = self.places
        if split is not None:
            raise DataError(f"{path}: has no {split} split.")
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                question, first, second, better = line.rstrip("\n").split("\t")
                labels = [float(better == "first"), float(better == "second")]
                yield LabelledTexts(f"{path}:{number}", question, [first, second], {"better": labels})
