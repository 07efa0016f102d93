"""Lists from CSV files."""

import csv
from hashlib import sha256
from itertools import groupby
from pathlib import Path

from moft.api import ItemNetwork, Nouns, Objective, batches_of


class CsvLists:
    """Queries and documents from train.csv, validation.csv and test.csv, whose column `list` numbers the queries.

    Args:
        context: device, seed and cache folder.
        folder: folder of the files.
        objectives: columns that are labels.
        features: columns that the model reads.
    """

    main, nouns = None, Nouns("query", "document")

    def __init__(self, context, *, folder: Path, objectives: list[str], features: list[str]):
        self.objectives, self._folder, self._device = tuple(map(Objective, objectives)), folder, context.device
        self._columns = {"labels": objectives, "features": features}

    def prepare(self, trainer): ...

    def restore(self, state): ...

    def state(self):
        return {}

    def model(self, tradeoff_size):
        return ItemNetwork(len(self._columns["features"]), tradeoff_size).to(self._device)

    def batches(self, split, generator=None):
        return self.read(self._folder / f"{split}.csv", generator)

    def read(self, path, generator=None):
        table = csv.DictReader(path.read_text("utf-8").splitlines())
        queries = [list(rows) for _, rows in groupby(table, key=lambda row: row["list"])]
        names = self._columns.items()
        lists = [{name: [[float(row[key]) for key in keys] for row in rows] for name, keys in names} for rows in queries]
        return batches_of(lists, generator, device=self._device)

    def identity(self):
        files = {path.stem: path.read_bytes() for path in sorted(self._folder.glob("*.csv"))}
        return {"splits": {split: sha256(content).hexdigest() for split, content in files.items()}, **self._columns}
