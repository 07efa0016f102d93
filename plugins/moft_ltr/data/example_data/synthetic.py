"""Makes synthetic ranking data: labels are known functions of the features, and objectives conflict as much as requested."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from moft import ConfigError, DataError
from moft_ltr.data.converted.dataset_folder import Floats, Integers, QueryIndex, new_folder, write_dataset
from moft_ltr.data.example_data.synthetic_front import KnownFront

SHARES = (0.54, 0.23, 0.13, 0.07, 0.03)
"""Shares of the grades 0 to 4, about as in the relevance labels of MSLR."""

DEFAULT_CONFLICT = 0.7

_BLOCK = 1 << 22  # values drawn at once; changing it changes the data of every seed
_SPREAD = 0.5  # standard deviation of the logarithm of query lengths
_SHARED = 0.25  # share of a feature's variance that all documents of a query have in common
_CALIBRATION = 100_000  # documents from which the thresholds of the grades are computed
_PRODUCT = 0.5  # weight of the product of two features in a latent, relative to its linear part


@dataclass(frozen=True)
class Synthetic:
    """Settings of a synthetic dataset.

    Args:
        lists: training queries; validation and test get a third as many each, at least 2.
        items: mean number of documents of a query.
        features: feature columns. A tenth of them is heavy-tailed; with 16 or more, one is constant.
        objectives: m.
        conflict: 0 makes all objectives identical, 1 as opposed as m objectives can be. None is 0.7.
        noise: standard deviation of the noise on the objectives (of unit variance), before grading.
        seed: random seed.
    """

    lists: int = 1500
    items: int = 40
    features: int = 32
    objectives: int = 2
    conflict: float | None = None
    noise: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low in (("lists", 1), ("items", 2), ("objectives", 1), ("seed", 0)):
            if getattr(self, name) < low:
                raise ConfigError(f"--{name} must be at least {low}, got {getattr(self, name)}.")
        if self.seed >= 2**63:
            raise ConfigError(f"--seed must be below 2^63, got {self.seed}.")
        if not 0 <= self.noise < float("inf"):
            raise ConfigError(f"--noise must be 0 or more and finite (a standard deviation), got {self.noise}.")
        if self.objectives == 1 and self.conflict is not None:
            raise ConfigError("--conflict needs --objectives of 2 or more; leave it out.")
        if self.conflict is not None and not 0 <= self.conflict <= 1:
            raise ConfigError(f"--conflict must be between 0 and 1, got {self.conflict}.")
        needed = 2 * (self.objectives + 1)
        if len(_usable(self.features)) < needed:
            minimum = next(count for count in itertools.count(needed) if len(_usable(count)) >= needed)
            raise ConfigError(
                f"--features {self.features} is too few for --objectives {self.objectives}: every objective, and relevance, uses "
                f"two features that no other one does; give at least {minimum}."
            )

    @property
    def mixing(self) -> npt.NDArray[np.float64]:
        """`[m, m]`, D with objectives = D latents, so that their correlations are D D^T = (1 - rho) I + rho 1 1^T."""
        m = self.objectives
        if m == 1:
            return np.ones((1, 1))
        conflict = DEFAULT_CONFLICT if self.conflict is None else self.conflict
        rho = 1 - conflict * (1 + 1 / (m - 1))
        apart, together = math.sqrt(max(1 - rho, 0)), math.sqrt(max(1 + (m - 1) * rho, 0))
        mean: npt.NDArray[np.float64] = np.full((m, m), 1 / m)
        return apart * (np.eye(m) - mean) + together * mean


def make_synthetic(out: Path, settings: Synthetic, *, as_text: bool = False) -> KnownFront | None:
    """Writes `train`, `vali` and `test` under `out`, and without noise `known_front.json`.

    Args:
        out: the folder to create.
        settings: settings of the dataset.
        as_text: write svmlight files instead of converted folders.

    Returns: the known front; None with noise, where labels are not a function of the features.

    Raises:
        DataError: `out` exists, or cannot be written.
    """
    if out.exists():
        raise DataError(f"{out}: already exists; choose another folder or remove it.")
    labels = {f"objective-{j + 1}": settings.features + j + 1 for j in range(settings.objectives)}
    truth = _LabelFunctions(settings)
    third = max(2, settings.lists // 3)
    first = 1
    known = KnownFront(settings.objectives) if settings.noise == 0 else None
    with new_folder(out) as folder:
        for number, (split, count) in enumerate((("train", settings.lists), ("vali", third), ("test", third))):
            generator = np.random.default_rng([settings.seed, 1 + number])
            lists = _lengths(settings.items, first, count, generator)
            first += count
            blocks = truth.blocks(lists.offsets, generator)
            if split == "test" and known is not None:
                blocks = known.measure_through(blocks, lists.offsets)
            if as_text:
                _write_text(folder / f"{split}.txt", blocks, lists, labels)
            else:
                columns = settings.features + settings.objectives
                write_dataset(folder / split, blocks, lists, columns=columns, source="synthetic", labels=labels)
        if known is not None:
            known.write(folder / "known_front.json", list(labels))
    return known


class _LabelFunctions:
    """The functions from features to labels, drawn once for all splits."""

    def __init__(self, settings: Synthetic) -> None:
        generator = np.random.default_rng([settings.seed, 0])
        count = settings.features
        self.settings = settings
        self.order = generator.permutation(count)
        self.heavy = self.order[: count // 10]
        self.constant = self.order[count - (count >= 16) :]
        groups = np.array_split(generator.permutation(self.order[_usable(count)]), settings.objectives + 1)
        self.latents = [(group, *self._draw_direction(group, generator)) for group in groups]  # disjoint columns: independent
        drawn = generator.standard_normal((_CALIBRATION, count), dtype=np.float32)
        self.thresholds = np.quantile(self._values(drawn, generator), np.cumsum(SHARES)[:-1], axis=0).T  # [m + 1, 4]

    def blocks(self, offsets: Integers, generator: np.random.Generator) -> Iterator[tuple[Floats, Floats]]:
        """Features with label columns `[items, columns]`, and relevance `[items]`, in blocks of whole queries."""
        count = self.settings.features
        lists = max(1, _BLOCK // (count * self.settings.items))
        for start in range(0, len(offsets) - 1, lists):
            lengths = np.diff(offsets[start : start + lists + 1])
            normal = generator.standard_normal((int(lengths.sum()), count), dtype=np.float32)
            shift = generator.standard_normal((len(lengths), count), dtype=np.float32)
            normal *= np.float32(np.sqrt(1 - _SHARED))
            normal += np.repeat(shift * np.float32(np.sqrt(_SHARED)), lengths, axis=0)
            grades = self._grade(self._values(normal, generator))
            normal[:, self.heavy] = np.exp(normal[:, self.heavy])
            normal[:, self.constant] = 1
            yield np.hstack([normal, grades[:, :-1]]), grades[:, -1]

    def _draw_direction(self, group: Integers, generator: np.random.Generator) -> tuple[Floats, Integers]:
        """A random direction of unit length over a group of columns, and two columns of the group."""
        direction = generator.standard_normal(len(group), dtype=np.float32)
        return direction / np.linalg.norm(direction), generator.choice(group, size=2, replace=False)

    def _values(self, normal: Floats, generator: np.random.Generator) -> Floats:
        """`[items, m + 1]`, the objectives and relevance, before grading."""
        latents = np.empty((len(normal), len(self.latents)), dtype=np.float32)
        for k, (group, direction, (one, other)) in enumerate(self.latents):
            latents[:, k] = normal[:, group] @ direction + _PRODUCT * normal[:, one] * normal[:, other]
        latents /= np.float32(np.sqrt(1 + _PRODUCT**2))  # unit variance, since the two parts are uncorrelated
        objectives = latents[:, :-1] @ self.settings.mixing.T.astype(np.float32)
        values = np.column_stack([objectives, objectives.mean(axis=1) + latents[:, -1]])
        if self.settings.noise:
            values += np.float32(self.settings.noise) * generator.standard_normal(values.shape, dtype=np.float32)
        return values

    def _grade(self, values: Floats) -> Floats:
        """`[items, m + 1]`, grades 0 to 4."""
        columns = [np.searchsorted(self.thresholds[j], values[:, j], side="right") for j in range(values.shape[1])]
        return np.column_stack(columns).astype(np.float32)


def _usable(features: int) -> npt.NDArray[np.int64]:
    """Indices of the columns that objectives may depend on: all but the constant one."""
    return np.arange(features - (features >= 16))


def _lengths(items: int, first: int, count: int, generator: np.random.Generator) -> QueryIndex:
    """Queries of lognormal length with mean `items`, clipped to 2 to `3 * items`; qids are multiples of ten from `10 * first`."""
    drawn = generator.lognormal(np.log(items) - _SPREAD**2 / 2, _SPREAD, count)
    lengths = np.clip(np.rint(drawn), 2, 3 * items).astype(np.int64)
    qids = np.arange(first, first + count, dtype=np.int64) * 10
    return QueryIndex(np.concatenate([[0], np.cumsum(lengths)]), qids, np.zeros(count, dtype=np.int64))


def _write_text(path: Path, blocks: Iterator[tuple[Floats, Floats]], lists: QueryIndex, labels: dict[str, int]) -> None:
    """Writes svmlight text that is read back as the same 32-bit numbers; its first line names the label columns."""
    qids = np.repeat(lists.qids, np.diff(lists.offsets))
    item = 0
    with path.open("w", encoding="ascii") as file:
        file.write("# labels: " + " ".join(f"{name}={column}" for name, column in labels.items()) + "\n")
        for rows, relevance in blocks:
            form = " ".join(f"{column + 1}:%.9g" for column in range(rows.shape[1]))
            for values, grade in zip(rows.tolist(), relevance.tolist(), strict=True):
                file.write(f"{grade:g} qid:{qids[item]} {form % tuple(values)}\n")
                item += 1
