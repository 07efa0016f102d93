"""Makes ranking data whose objectives are known functions of the features, with a dial for how much they conflict."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from moft import ConfigError, DataError
from moft_ltr.data.dataset_folder import Floats, Integers, Lists, write_dataset, written_whole
from moft_ltr.data.synthetic_front import KnownFront

SHARES = (0.54, 0.23, 0.13, 0.07, 0.03)
"""Shares of the grades 0 to 4, about those of relevance in MSLR."""

DEFAULT_CONFLICT = 0.7

_BLOCK = 1 << 22  # values drawn at a time; part of what a seed means, so never change it
_SPREAD = 0.5  # of the logarithm of list lengths
_SHARED = 0.25  # of a feature's variance that all items of a list have in common
_CALIBRATION = 100_000  # items that the thresholds of the grades are taken from
_PRODUCT = 0.5  # size of a latent's product of two features beside its linear part


@dataclass(frozen=True)
class Synthetic:
    """What is to be made.

    Args:
        lists: training lists; a third as many, at least 2, for validation and for test.
        items: mean length of a list.
        features: columns of features; a tenth is heavy-tailed, one is constant from 16 on.
        objectives: m.
        conflict: 0 makes all objectives identical, 1 makes them as opposed as m objectives can be.
        noise: standard deviation of what is added to the objectives (themselves of unit variance) before grading.
        seed: of everything.
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
        if not 0 <= self.noise < float("inf"):
            raise ConfigError(f"--noise is a standard deviation, 0 or more and finite, got {self.noise}.")
        if self.objectives == 1 and self.conflict is not None:
            raise ConfigError(
                "--conflict says how much objectives disagree, so it needs --objectives of 2 or more; leave it out."
            )
        if self.conflict is not None and not 0 <= self.conflict <= 1:
            raise ConfigError(f"--conflict must lie in 0 to 1, got {self.conflict}.")
        needed = 2 * (self.objectives + 1)
        if len(_usable(self.features)) < needed:
            least = next(count for count in itertools.count(needed) if len(_usable(count)) >= needed)
            raise ConfigError(
                f"--features {self.features} are too few for --objectives {self.objectives}: each of them, and relevance, needs "
                f"two of its own; give at least {least}."
            )

    @property
    def mixing(self) -> npt.NDArray[np.float64]:
        """`[m, m]`, D: objectives are D times the latents, so that D D^T = (1 - rho) I + rho 1 1^T are their correlations."""
        m = self.objectives
        if m == 1:
            return np.ones((1, 1))
        conflict = DEFAULT_CONFLICT if self.conflict is None else self.conflict
        rho = 1 - conflict * (1 + 1 / (m - 1))
        apart, together = math.sqrt(max(1 - rho, 0)), math.sqrt(max(1 + (m - 1) * rho, 0))
        mean: npt.NDArray[np.float64] = np.full((m, m), 1 / m)
        return apart * (np.eye(m) - mean) + together * mean


def make_synthetic(out: Path, wanted: Synthetic, *, as_text: bool = False) -> KnownFront | None:
    """Writes `train`, `vali` and `test` under `out`, and `known_front.json` where there is no noise.

    Args:
        out: the folder to make.
        wanted: what to make.
        as_text: svmlight files instead of converted folders.

    Returns: the known front; None with noise, for then labels are no function of the features.

    Raises:
        DataError: `out` exists, or cannot be written.
    """
    if out.exists():
        raise DataError(f"{out}: exists already; choose another place or remove it.")
    labels = {f"objective-{j + 1}": wanted.features + j + 1 for j in range(wanted.objectives)}
    truth = _Truth(wanted)
    third = max(2, wanted.lists // 3)
    first = 1
    known = KnownFront(wanted.objectives) if wanted.noise == 0 else None
    with written_whole(out) as folder:
        for number, (split, count) in enumerate((("train", wanted.lists), ("vali", third), ("test", third))):
            generator = np.random.default_rng([wanted.seed, 1 + number])
            lists = _lengths(wanted.items, first, count, generator)
            first += count
            blocks = truth.blocks(lists.offsets, generator)
            if split == "test" and known is not None:
                blocks = known.watched(blocks, lists.offsets)
            if as_text:
                _write_text(folder / f"{split}.txt", blocks, lists, labels)
            else:
                columns = wanted.features + wanted.objectives
                write_dataset(folder / split, blocks, lists, columns=columns, source="synthetic", labels=labels)
        if known is not None:
            known.write(folder / "known_front.json", list(labels))
    return known


class _Truth:
    """The functions behind the labels, drawn once for all splits."""

    def __init__(self, wanted: Synthetic) -> None:
        generator = np.random.default_rng([wanted.seed, 0])
        count = wanted.features
        self.wanted = wanted
        self.order = generator.permutation(count)
        self.heavy = self.order[: count // 10]
        self.constant = self.order[count - (count >= 16) :]
        groups = np.array_split(generator.permutation(self.order[_usable(count)]), wanted.objectives + 1)
        self.latents = [(group, *self._drawn(group, generator)) for group in groups]  # on columns apart, so independent
        drawn = generator.standard_normal((_CALIBRATION, count), dtype=np.float32)
        self.thresholds = np.quantile(self._values(drawn, generator), np.cumsum(SHARES)[:-1], axis=0).T  # [m + 1, 4]

    def blocks(self, offsets: Integers, generator: np.random.Generator) -> Iterator[tuple[Floats, Floats]]:
        """Features with label columns `[items, columns]`, and relevance `[items]`, whole lists at a time."""
        count = self.wanted.features
        lists = max(1, _BLOCK // (count * self.wanted.items))
        for start in range(0, len(offsets) - 1, lists):
            lengths = np.diff(offsets[start : start + lists + 1])
            normal = generator.standard_normal((int(lengths.sum()), count), dtype=np.float32)
            shift = generator.standard_normal((len(lengths), count), dtype=np.float32)
            normal *= np.float32(np.sqrt(1 - _SHARED))
            normal += np.repeat(shift * np.float32(np.sqrt(_SHARED)), lengths, axis=0)
            grades = self._graded(self._values(normal, generator))
            normal[:, self.heavy] = np.exp(normal[:, self.heavy])
            normal[:, self.constant] = 1
            yield np.hstack([normal, grades[:, :-1]]), grades[:, -1]

    def _drawn(self, group: Integers, generator: np.random.Generator) -> tuple[Floats, Integers]:
        """Direction of unit length over a group of columns, and two columns of it."""
        direction = generator.standard_normal(len(group), dtype=np.float32)
        return direction / np.linalg.norm(direction), generator.choice(group, size=2, replace=False)

    def _values(self, normal: Floats, generator: np.random.Generator) -> Floats:
        """`[items, m + 1]`, the objectives and what relevance is graded from, before grading."""
        latents = np.empty((len(normal), len(self.latents)), dtype=np.float32)
        for k, (group, direction, (one, other)) in enumerate(self.latents):
            latents[:, k] = normal[:, group] @ direction + _PRODUCT * normal[:, one] * normal[:, other]
        latents /= np.float32(np.sqrt(1 + _PRODUCT**2))  # the two parts are uncorrelated, so this is unit variance
        objectives = latents[:, :-1] @ self.wanted.mixing.T.astype(np.float32)
        values = np.column_stack([objectives, objectives.mean(axis=1) + latents[:, -1]])
        if self.wanted.noise:
            values += np.float32(self.wanted.noise) * generator.standard_normal(values.shape, dtype=np.float32)
        return values

    def _graded(self, values: Floats) -> Floats:
        """`[items, m + 1]`, grades 0 to 4."""
        columns = [np.searchsorted(self.thresholds[j], values[:, j], side="right") for j in range(values.shape[1])]
        return np.column_stack(columns).astype(np.float32)


def _usable(features: int) -> npt.NDArray[np.int64]:
    """Places of the columns that objectives may depend on: all but the constant one."""
    return np.arange(features - (features >= 16))


def _lengths(items: int, first: int, count: int, generator: np.random.Generator) -> Lists:
    """Lists of lognormal length about `items`, from 2 to three times the mean; qids are apart by ten, from ten times `first`."""
    drawn = generator.lognormal(np.log(items) - _SPREAD**2 / 2, _SPREAD, count)
    lengths = np.clip(np.rint(drawn), 2, 3 * items).astype(np.int64)
    qids = np.arange(first, first + count, dtype=np.int64) * 10
    return Lists(np.concatenate([[0], np.cumsum(lengths)]), qids, np.zeros(count, dtype=np.int64))


def _write_text(path: Path, blocks: Iterator[tuple[Floats, Floats]], lists: Lists, labels: dict[str, int]) -> None:
    """Writes svmlight text that reads back as the same 32-bit numbers; the first line names the label columns."""
    qids = np.repeat(lists.qids, np.diff(lists.offsets))
    item = 0
    with path.open("w", encoding="ascii") as file:
        file.write("# labels: " + " ".join(f"{name}={column}" for name, column in labels.items()) + "\n")
        for rows, relevance in blocks:
            form = " ".join(f"{column + 1}:%.9g" for column in range(rows.shape[1]))
            for values, grade in zip(rows.tolist(), relevance.tolist(), strict=True):
                file.write(f"{grade:g} qid:{qids[item]} {form % tuple(values)}\n")
                item += 1
