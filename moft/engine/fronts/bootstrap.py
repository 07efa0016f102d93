"""Bootstrap over lists: samples and percentile intervals of means and of the hypervolume."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from moft.engine.fronts.hypervolume import hypervolume, sample_directions, volume_above
from moft.errors import ConfigError, ShapeError
from moft.types import list_mean

_CHUNK = 64  # samples that are computed at a time
_MANY = 100_000  # draws of a sample that take longer one by one


def resampled(lists: int, samples: int, seed: int, draws: int | None = None) -> Tensor:
    """How often each list counts in each bootstrap sample.

    Args:
        lists: number of lists, >= 1.
        samples: number of samples.
        seed: the same seed gives the same samples, so that two runs on the same lists can be compared pairwise.
        draws: number of lists in a sample, >= 1; None for as many as there are.

    Returns: `[samples, lists]`, float32; each row sums to `draws`.

    Source: Efron 1979.
    """
    if lists < 1:
        raise ShapeError(f"a bootstrap needs at least one list, got {lists}.")
    if draws is not None and draws > _MANY:
        draw = np.random.default_rng(seed)
        return torch.from_numpy(draw.multinomial(draws, np.full(lists, 1 / lists), size=samples)).float()
    generator = torch.Generator().manual_seed(seed)
    counts = torch.empty(samples, lists)
    for row in counts:
        row.copy_(torch.randint(lists, (lists if draws is None else draws,), generator=generator).bincount(minlength=lists))
    return counts


def bootstrap_means(values: Tensor, counts: Tensor, weights: Tensor | None = None) -> Tensor:
    """Means over the lists of each sample, leaving out what is NaN.

    Args:
        values: `[n, lists, m]`; NaN where a list has no value for an objective.
        counts: `[samples, lists]`, from `resampled`.
        weights: `[lists]`, how much each list counts; None for equal ones.

    Returns: `[samples, n, m]`, float64; NaN where no list of a sample has a value.
    """
    if values.dim() != 3 or counts.dim() != 2 or values.shape[1] != counts.shape[1]:
        raise ShapeError(
            f"values must be [n, lists, m] and counts [samples, lists], got {list(values.shape)} and {list(counts.shape)}."
        )
    n, lists, m = values.shape
    flat = values.detach().cpu().double().transpose(0, 1).reshape(lists, n * m)  # [lists, n * m]
    has_value = ~flat.isnan()
    both = torch.cat([flat.nan_to_num(nan=0.0), has_value.double()], dim=1)  # [lists, 2 * n * m]
    parts = []
    for start in range(0, len(counts), _CHUNK):
        chunk = counts[start : start + _CHUNK].detach().cpu()
        times = chunk.double() if weights is None else chunk.double() * weights.double()
        total, weight = (times @ both).chunk(2, dim=1)
        parts.append(total / weight)
    return torch.cat(parts).reshape(-1, n, m)


def interval(samples: Tensor, level: float = 0.95) -> Tensor:
    """Percentile interval of bootstrap samples.

    Args:
        samples: `[samples, ...]`; a NaN is left out.
        level: share of the samples inside, above 0 and below 1. A larger value gives a wider interval.

    Returns: `[..., 2]`, low and high; NaN where every sample is NaN.
    """
    if not 0 < level < 1:
        raise ConfigError(f"the level of an interval must be above 0 and below 1, got {level}.")
    tails = samples.new_tensor([(1 - level) / 2, (1 + level) / 2])
    return torch.nanquantile(samples, tails, dim=0).movedim(0, -1)


def bootstrap_hypervolume(values: Tensor, counts: Tensor, reference: Tensor, weights: Tensor | None = None) -> Tensor:
    """`[samples]`, float64: the hypervolume of the front of each sample; NaN where an objective has no list in it.

    Where it is approximated, the directions are the same for all samples, so that what they miss is, too. All samples are
    multiplied by the ratio of `hypervolume` of the whole front to its volume from these directions.

    Args:
        values: `[n, lists, m]`; NaN where a list has no value for an objective.
        counts: `[samples, lists]`, from `resampled`.
        reference: `[m]`.
        weights: `[lists]`, how much each list counts; None for equal ones.
    """
    means = bootstrap_means(values, counts, weights)
    if reference.shape != means.shape[2:]:
        raise ShapeError(
            f"the reference must have {means.shape[2]} entries, one for each objective, got {list(reference.shape)}."
        )
    directions = sample_directions(means.shape[1], means.shape[2], len(means))
    volume = volume_above(reference, directions)
    found = torch.tensor([volume(points) for points in means], dtype=torch.float64)
    if directions is None:
        return found
    front = list_mean(values.detach().cpu().double(), weights)  # [n, m]
    rough = volume(front)
    return found * (hypervolume(front, reference) / rough if rough > 0 else 1.0)
