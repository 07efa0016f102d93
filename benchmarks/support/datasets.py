"""Where the benchmarks find real data and models, and how they make synthetic queries."""

from __future__ import annotations

import os
from pathlib import Path


def data_folder() -> Path:
    """The folder of real data and models: `$MOFT_DATA`, else `../shared/data`."""
    return Path(os.environ.get("MOFT_DATA", Path(__file__).parents[3] / "shared" / "data"))


def mslr_folder() -> Path | None:
    """The folder of the real MSLR queries, `ltr/mslr` in `data_folder()`; None if it does not exist."""
    folder = data_folder() / "ltr" / "mslr"
    return folder if (folder / "train.txt").exists() else None


def make_synthetic_queries(data: str, lists: int, folder: Path, seed: int = 0) -> None:
    """Makes the queries of `synthetic-M` in `folder` if it does not exist, and sets SYNTHETIC, which its config reads."""
    from moft_ltr.data.example_data.synthetic import Synthetic, make_synthetic

    if not folder.exists():
        make_synthetic(folder, Synthetic(lists=lists, objectives=int(data[-1]), seed=seed))
    os.environ["SYNTHETIC"] = str(folder)
