"""Predicts the outcomes of tradeoffs that were not measured, from those that were."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HeldOut:
    """How far predictions of measured tradeoffs are off, each made without its own measurement.

    Args:
        error: `[outcomes]`, mean absolute error.
        share: `[outcomes]`, the same as a share of the range of the measured means.
        tau: `[outcomes]`, Kendall's rank correlation with what was measured.
    """

    error: list[float]
    share: list[float]
    tau: list[float]


class OutcomeSurrogate:
    """A Gaussian process over weights and dial, with one kernel for all outcomes.

    Both enter as `w / (1 + c)` and `1 / (1 + c)`, for weights `w` and a dial `c`. So all weights meet at the base model when the
    dial grows, and its values are one more measurement there.

    Args:
        weights: `[n, m]`, that were measured.
        dials: `[n]`, above 0.
        means: `[n, outcomes]`, what was measured.
        base: `[outcomes]`, values of the base model.
        kernel: size of the signal, length and noise; None fits them by likelihood.

    Source: Rasmussen and Williams 2006, chapters 2 and 5; computed by scikit-learn. The coordinates are ours.
    """

    def __init__(
        self, weights: Tensor, dials: Tensor, means: Tensor, base: Tensor, kernel: Sequence[float] | None = None
    ) -> None:
        self._given = weights, dials, means, base
        places = coordinates(weights, dials)
        places = np.vstack([places, np.zeros((1, places.shape[1]))])  # the base model
        table = np.vstack([means.double().numpy(), base.double().numpy()[None]])  # [n + 1, outcomes]
        self._middle, self._scale = table.mean(0), np.where(np.ptp(table, axis=0) > 0, table.std(0), 1.0)
        self._process = _fitted(places, (table - self._middle) / self._scale, kernel)

    @property
    def kernel(self) -> list[float]:
        """Size of the signal, length and noise, for outcomes of unit variance."""
        parts = self._process.kernel_.get_params()
        return [float(parts[name]) for name in ("k1__k1__constant_value", "k1__k2__length_scale", "k2__noise_level")]

    def predict(self, weights: Tensor, dials: Tensor) -> Tensor:
        """`[q, outcomes]`, float64.

        Args:
            weights: `[q, m]`.
            dials: `[q]`, above 0.
        """
        means = self._process.predict(coordinates(weights, dials)).reshape(len(weights), -1)
        return torch.from_numpy(means * self._scale + self._middle)

    def held_out(self, first: int | None = None) -> HeldOut:
        """The errors of predictions, by leaving out one measurement at a time.

        Args:
            first: how many of the measurements count, from the first on; None for all. Those that stand close together are easier
                to predict than those that do not.

        Source: Rasmussen and Williams 2006, equation 5.12.
        """
        from scipy.stats import kendalltau

        told = self._given[2].double().numpy()
        factor = self._process.L_
        inverse = np.diag(np.linalg.inv(factor @ factor.T))[:, None]
        off = (self._process.alpha_.reshape(len(inverse), -1) / inverse)[:-1] * self._scale  # [n, outcomes]
        size = np.ptp(told, axis=0)
        off, told = off[:first], told[:first]
        error, columns = np.abs(off).mean(0), zip((told - off).T, told.T, strict=True)
        taus = [kendalltau(*pair).statistic if len(told) > 1 else 0.0 for pair in columns]
        shares = np.divide(error, size, out=np.zeros_like(error), where=size > 0)
        return HeldOut(error.tolist(), shares.tolist(), np.nan_to_num(taus).tolist())

    def parameters(self) -> dict[str, Any]:
        """What a prediction is computed from, as JSON: `middle + scale * k(place, places) @ factors`.

        `k` is a Matérn kernel with nu = 5/2 of this size and length, and `places` are `coordinates`, of the base model last.
        """
        size, length, _ = self.kernel
        places, factors = self._process.X_train_, self._process.alpha_
        return {
            "places": places.tolist(),
            "factors": factors.reshape(len(places), -1).tolist(),
            **{"size": size, "length": length, "middle": self._middle.tolist(), "scale": self._scale.tolist()},
        }

    def record(self) -> dict[str, Any]:
        """As JSON, to be restored by `surrogate_of`."""
        weights, dials, means, base = (part.tolist() for part in self._given)
        return {"weights": weights, "dials": dials, "means": means, "base": base, "kernel": self.kernel}


def surrogate_of(record: Mapping[str, Any]) -> OutcomeSurrogate:
    """The surrogate of a record."""
    weights, dials, means, base = (
        torch.tensor(record[key], dtype=torch.float64) for key in ("weights", "dials", "means", "base")
    )
    return OutcomeSurrogate(weights, dials, means, base, record["kernel"])


def _fitted(places: Floats, table: Floats, kernel: Sequence[float] | None) -> Any:
    """The process of outcomes of zero mean and unit variance, `[n, outcomes]`, with a given kernel or one that is fitted."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    signal, length, noise = kernel or (1.0, 1.0, 0.01)
    ranges: Any = ["fixed"] * 2 if kernel else [(1e-3, 1e3), (1e-6, 1.0)]
    shape = ConstantKernel(signal, ranges[0]) * Matern(length, ranges[0], nu=2.5) + WhiteKernel(noise, ranges[1])
    process = GaussianProcessRegressor(shape, random_state=0)
    with warnings.catch_warnings():  # that a kernel is at the end of its range, as for outcomes that never change
        warnings.simplefilter("ignore", ConvergenceWarning)
        return process.fit(places, table)


def coordinates(weights: Tensor, dials: Tensor) -> Floats:
    """`[n, m + 1]`, where tradeoffs lie for the process; arguments are those of `OutcomeSurrogate.predict`."""
    strength = 1 / (1 + dials.double().view(-1, 1))
    places: Floats = torch.cat([weights.double() * strength, strength], dim=1).numpy()
    return places
