"""Timed trainings of rankers: a prepared ranking task on MSLR-like queries, and epochs timed in the trainer of a run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.support.datasets import mslr_folder
from moft.engine.training.jobs.job_records import NoRecords

if TYPE_CHECKING:
    from moft.api import Method, Policy, Problem
    from moft_ltr.task import LTR

MSLR_OBJECTIVES: Sequence[tuple[int, Sequence[str]]] = (
    (134, ["log1p"]),
    (135, ["log1p"]),
    (136, ["log1p"]),
    (132, ["min-max"]),
    (133, ["min-max"]),
    (135, ["log1p", "invert"]),
    (132, ["min-max", "invert"]),
    (133, ["min-max", "invert"]),
)
"""Label column and transforms of up to eight objectives on MSLR; the last three invert earlier ones."""

LABELS = tuple(range(132, 137))
SYNTHETIC_QUERIES = 105
"""Number of synthetic training queries, as many as the real ones."""


@contextmanager
def mslr_queries() -> Iterator[tuple[Path, str]]:
    """A folder of real MSLR queries, or of synthetic ones of the same shape if there are none, and its description."""
    from moft_ltr.data.example_data.synthetic import Synthetic, make_synthetic

    folder = mslr_folder()
    if folder is not None:
        yield folder, "real MSLR lists"
        return
    with tempfile.TemporaryDirectory() as temporary:
        synthetic = Path(temporary) / "queries"
        make_synthetic(synthetic, Synthetic(lists=SYNTHETIC_QUERIES, items=110, features=131, objectives=8))
        yield synthetic, "synthetic queries of MSLR's shape"


def prepare_task(folder: Path, cache: Path, *, objectives: int = 5, budget: int = 2048, base: Any = None) -> LTR:
    """A prepared ranking task with the first few objectives, and a very cheap base ranker.

    Args:
        folder: from `mslr_queries`, or another synthetic dataset.
        cache: for converted files.
        objectives: number of objectives, up to eight.
        budget: documents of a batch, padding included.
        base: another base ranker.
    """
    import torch

    from moft.api import AccelerateTrainer, Context, TrainerSettings
    from moft_losses.listnet import ListNet
    from moft_ltr.base.base_ranker import NeuralBase
    from moft_ltr.data.dataset import find_data, open_dataset, split_file
    from moft_ltr.data.label_transforms import LabelColumn
    from moft_ltr.task import LTR

    named = open_dataset(split_file(find_data(str(folder), cache), "train"), cache).labels
    if named:
        columns = {name: LabelColumn(column) for name, column in list(named.items())[:objectives]}
        exclude: list[int | str] = []
    else:
        columns = {
            f"{c}-{'-'.join(steps)}": LabelColumn(c, [*steps])  # type: ignore[list-item]
            for c, steps in MSLR_OBJECTIVES[:objectives]
        }
        exclude = list(LABELS)
    task = LTR(
        Context(torch.device("cpu"), 0, cache),
        data=str(folder),
        objectives=columns,
        base=base or NeuralBase(ListNet(), width=16, layers=1, heads=1, epochs=1),
        exclude=exclude,
        items_per_batch=budget,
    )
    task.prepare(AccelerateTrainer(TrainerSettings(device="cpu"), seed=0))
    return task


class Stopwatch(NoRecords):
    """Job records that keep the time at the end of each epoch only.

    Args:
        clock: `time.process_time` with one thread, since it does not count other programs; else `time.perf_counter`.
        after_step: called with the share of the job that is done.
    """

    def __init__(self, clock: Callable[[], float], after_step: Callable[[float], None] | None = None) -> None:
        self._clock, self._after_step = clock, after_step
        self._ends: dict[int, float] = {}

    @property
    def epochs(self) -> list[float]:
        """Seconds of every epoch except the first, planning of batches included."""
        ends = [self._ends[epoch] for epoch in sorted(self._ends)]
        return [after - before for before, after in pairwise(ends)]

    def step(self, step: int, values: Mapping[str, float | str]) -> None:
        self._ends[int(values["epoch"])] = self._clock()
        if self._after_step is not None:
            self._after_step(float(values["progress"]))


class TimedTraining:
    """A method on a prepared task; each call trains its policy for a few more epochs in the trainer of a run.

    Args:
        task: prepared.
        method: trains the policy.
        epochs: passes over the queries at each call, with the same batches at every call; the first pass is not timed.
        threads: of torch.
        after_step: called with the share of the call that is done.
    """

    def __init__(
        self,
        task: LTR,
        method: Method[Any],
        *,
        epochs: int = 3,
        threads: int = 1,
        after_step: Callable[[float], None] | None = None,
    ) -> None:
        from moft.api import TrainerSettings, problem_without_validation, seed_initialisation

        seed_initialisation(0, "policy")
        self.problem: Problem = problem_without_validation(task)
        self.method = method
        self.policy: Policy = method.policy(self.problem)
        self._settings = TrainerSettings(epochs=epochs, evaluations=0, device="cpu", threads=threads)
        self._clock = time.process_time if threads == 1 else time.perf_counter
        self._after_step = after_step

    def __call__(self) -> list[float]:
        """Seconds of every epoch except the first."""
        from moft.api import AccelerateTrainer

        watch = Stopwatch(self._clock, self._after_step)
        self.method.train(self.policy, self.problem, AccelerateTrainer(self._settings, seed=0, records=watch))
        return watch.epochs


def weight_cos_dpo(m: int, conditioner: str | None, *, draws: int = 1) -> Any:
    """Weight-COS-DPO with a conditioner by name; None for the same network and objectives without conditioning."""
    from functools import partial

    from moft_conditioners.concat import Concat
    from moft_conditioners.film import FiLM
    from moft_cos_dpo.method import CosDPO
    from moft_losses.listnet import ListNet
    from moft_samplers.dirichlet import Dirichlet
    from moft_samplers.fixed import Fixed
    from moft_scalarizers.linear import Linear

    sampler: Any = partial(Dirichlet, vertices=0.3) if conditioner else partial(Fixed, value=[1 / m] * m)
    kind: Any = {"concat": Concat, "film": FiLM, None: None}[conditioner]
    return CosDPO(sampler=sampler, conditioner=kind, loss=ListNet(), scalarizer=Linear(), draws=draws)


def measure_in_turn(variants: Mapping[str, TimedTraining], repeats: int) -> dict[str, list[float]]:
    """Mean seconds of an epoch of each variant, for each round.

    Args:
        variants: by name; they take turns.
        repeats: number of rounds; each has the opposite order of the one before.
    """
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for round_ in range(repeats):
        for name in list(variants)[:: 1 if round_ % 2 == 0 else -1]:
            epochs = variants[name]()
            seconds[name].append(sum(epochs) / len(epochs))
    return seconds
