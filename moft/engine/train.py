"""The one training loop: every job of a run goes through it, on whatever device Accelerate finds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Generator, Tensor, nn

from moft.engine.seed import generator_for
from moft.errors import RunError
from moft.interfaces import Sampler, Trainer
from moft.settings import Count, Fraction, NonNegative, NonNegativeCount, Positive
from moft.types import Batch, Batches


@dataclass(frozen=True)
class TrainerSettings:
    """How losses are minimised.

    Args:
        epochs: passes over the training lists.
        learning_rate: peak rate of AdamW.
        weight_decay: of AdamW; larger keeps weights smaller.
        schedule: `cosine` falls to zero at the end, `constant` stays.
        warmup: share of the steps in which the rate rises from zero.
        clip: largest norm of the gradient; null does not clip.
        accumulation: batches per step; more make a larger step in the same memory.
        precision: `float32`, or `bf16` by autocast.
        evaluations: how often during training the front is measured on the validation split, to keep the best weights;
            0 never does, and keeps the last ones.
        checkpoint_steps: steps between checkpoints.
        device: `auto` takes a GPU where there is one.
        threads: threads of the CPU; null leaves torch's own choice.
    """

    epochs: Count = 30
    learning_rate: Positive = 3e-3
    weight_decay: NonNegative = 0.01
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: Fraction = 0.1
    clip: Positive | None = 1.0
    accumulation: Count = 1
    precision: Literal["float32", "bf16"] = "float32"
    evaluations: NonNegativeCount = 5
    checkpoint_steps: Count = 100
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Count | None = None

    @property
    def is_cpu(self) -> bool:
        """True when training is on the CPU, asked for or for want of anything else."""
        return self.device == "cpu" or not torch.accelerator.is_available()


@dataclass
class JobState:
    """Everything that a job needs to go on as if it had never stopped.

    Args:
        step: steps done.
        epoch: epochs done.
        epoch_step: steps done of the running epoch.
        seconds: spent so far.
        best: value of the best evaluation so far.
        weights: of the module.
        best_weights: at the best evaluation; empty before the first.
        moments: of the optimiser, by parameter and name.
        generators: states, by purpose.
    """

    step: int
    epoch: int
    epoch_step: int
    seconds: float
    best: float
    weights: Mapping[str, Tensor]
    best_weights: Mapping[str, Tensor]
    moments: Mapping[str, Tensor]
    generators: Mapping[str, Tensor]


class Records(Protocol):
    """Where a trainer keeps checkpoints and step values; a run folder, or nothing at all."""

    def finished(self, job: str) -> Mapping[str, Tensor] | None:
        """The weights of a job that ended, or None."""
        ...

    def latest(self, job: str) -> JobState | None:
        """The newest whole checkpoint of a job, or None. Step values after it are forgotten."""
        ...

    def save(self, job: str, state: JobState) -> None:
        """Keeps a checkpoint, whole or not at all."""
        ...

    def finish(self, job: str, weights: Mapping[str, Tensor], seconds: float) -> None:
        """Keeps the weights of a job that ended; its checkpoints can go."""
        ...

    def step(self, step: int, values: Mapping[str, float | str]) -> None:
        """Keeps the values of one step and tells observers."""
        ...

    def note(self, text: str) -> None:
        """Keeps a sentence for the readers of the results."""
        ...


class NoRecords:
    """Keeps nothing: for training outside a run."""

    def finished(self, job: str) -> None:
        return None

    def latest(self, job: str) -> None:
        return None

    def save(self, job: str, state: JobState) -> None:
        return None

    def finish(self, job: str, weights: Mapping[str, Tensor], seconds: float) -> None:
        return None

    def step(self, step: int, values: Mapping[str, float | str]) -> None:
        return None

    def note(self, text: str) -> None:
        return None


class AccelerateTrainer(Trainer):
    """AdamW on Accelerate: one process, or several under `torchrun`.

    Args:
        settings: of the run.
        seed: of the run.
        records: where checkpoints and values go.
        resume: True takes up jobs from their records, False starts them anew.
    """

    def __init__(self, settings: TrainerSettings, *, seed: int, records: Records | None = None, resume: bool = False) -> None:
        from accelerate import Accelerator

        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        if settings.device == "cuda" and not torch.cuda.is_available():
            raise RunError("[trainer.device] 'cuda' was asked for, and torch finds no CUDA device; allowed here: auto, cpu.")
        self.settings = settings
        self.generator = Generator()
        self._whole_batch = 0
        self._seed = seed
        self._records: Records = records if records is not None else NoRecords()
        self._resume = resume
        self._accelerator = Accelerator(cpu=settings.is_cpu)
        self.device: torch.device = self._accelerator.device

    @property
    def is_main(self) -> bool:
        """True in the one process that writes files."""
        return bool(self._accelerator.is_main_process)

    def draw(self, sampler: Sampler, per_list: int = 1, *, shared: bool = False) -> Tensor:
        drawn = sampler.draw(per_list if shared else self._whole_batch * per_list, self.generator)
        whole = drawn.reshape(-1, per_list, drawn.shape[-1]).expand(self._whole_batch, -1, -1)  # [lists, per_list, size]
        own = whole[self._accelerator.process_index :: self._accelerator.num_processes]
        return (own if len(own) else whole[:1]).to(self.device)

    def note(self, text: str) -> None:
        if self.is_main:
            self._records.note(text)

    def minimise(
        self,
        job: str,
        module: nn.Module,
        batches: Callable[[Generator], Batches],
        loss_of: Callable[[Batch], Tensor],
        *,
        evaluate: Callable[[], Mapping[str, float]] | None = None,
        best: str | None = None,
        epochs: int | None = None,
        learning_rate: float | None = None,
    ) -> None:
        module.to(self.device)
        if self._resume and (weights := self._records.finished(job)) is not None:
            module.load_state_dict(dict(weights))
            return
        loop = _Loop(self, job, module, loss_of, epochs or self.settings.epochs, learning_rate or self.settings.learning_rate)
        self.generator.manual_seed(generator_for(self._seed, job, "draws").initial_seed())
        if self._resume and (state := self._records.latest(job)) is not None:
            loop.restore(state)
        loop.run(batches, evaluate, best)


class _Loss(nn.Module):
    """The loss as a module, so that a distributed wrapper sees the forward pass that it has to synchronise."""

    def __init__(self, module: nn.Module, loss_of: Callable[[Batch], Tensor]) -> None:
        super().__init__()
        self.module = module
        self._loss_of = loss_of

    def forward(self, batch: Batch) -> Tensor:
        return self._loss_of(batch)


class _Loop:
    """One job: its optimiser, its position, its best weights."""

    def __init__(
        self,
        trainer: AccelerateTrainer,
        job: str,
        module: nn.Module,
        loss_of: Callable[[Batch], Tensor],
        epochs: int,
        rate: float,
    ) -> None:
        self.trainer, self.job, self.module, self.epochs, self.rate = trainer, job, module, epochs, rate
        self.settings, self.accelerator, self.records = trainer.settings, trainer._accelerator, trainer._records
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        fused = trainer.device.type in ("cpu", "cuda")
        plain = torch.optim.AdamW(trained, lr=rate, weight_decay=self.settings.weight_decay, fused=fused)
        self.loss, self.optimizer = self.accelerator.prepare(_Loss(module, loss_of), plain)
        self.step = self.epoch = self.epoch_step = 0
        self.seconds, self.best, self.best_weights = 0.0, -math.inf, dict[str, Tensor]()

    def run(
        self, batches: Callable[[Generator], Batches], evaluate: Callable[[], Mapping[str, float]] | None, best: str | None
    ) -> None:
        """Epochs from the current position to the end, then the best weights, kept as finished."""
        started = time.perf_counter() - self.seconds
        planned = _evaluated_epochs(self.epochs, self.settings.evaluations) if evaluate is not None else frozenset[int]()
        for epoch in range(self.epoch, self.epochs):
            data = batches(generator_for(self.trainer._seed, self.job, "order", epoch))
            steps = math.ceil(len(data) / self.settings.accumulation)
            for index in range(self.epoch_step, steps):
                progress = (epoch + (index + 1) / steps) / self.epochs
                values = self._step(data, index, steps, progress)
                self.step, self.epoch, self.epoch_step = self.step + 1, epoch, index + 1
                if self.epoch_step == steps:
                    self.epoch, self.epoch_step = epoch + 1, 0
                    if evaluate is not None and self.epoch in planned:
                        values |= self._evaluated(evaluate(), best)
                self.seconds = time.perf_counter() - started
                values |= {
                    "progress": progress,
                    "epoch": epoch + 1,
                    "epochs": self.epochs,
                    "seconds": self.seconds,
                    "lists": epoch * data.lists + sum(map(len, data.plan[: (index + 1) * self.settings.accumulation])),
                }
                if self.trainer.is_main:
                    self.records.step(self.step, values)
                    if self.step % self.settings.checkpoint_steps == 0:
                        self.records.save(self.job, self._state())
        if self.best_weights:
            self.module.load_state_dict(self.best_weights)
        if self.trainer.is_main:
            self.records.finish(self.job, _copied(self.module.state_dict()), self.seconds)
        self.accelerator.wait_for_everyone()
        self.accelerator.free_memory(self.loss, self.optimizer)

    def _step(self, data: Batches, index: int, steps: int, progress: float) -> dict[str, float | str]:
        """One step of the optimiser; its values."""
        count = self.settings.accumulation
        plans = data.plan[index * count : (index + 1) * count]
        rate = self.rate * _rate_factor(progress, self.settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        total, each = torch.zeros((), device=self.trainer.device), data.lists / steps
        seen: list[tuple[Tensor, Tensor]] = []  # lists and their losses
        for position, plan in enumerate(plans):
            self.trainer._whole_batch = len(plan)
            with self._synchronised(position == len(plans) - 1), self._autocast():
                losses = self.loss(data.load(self._share(plan))).float()[: self._rows(plan)]
                loss = losses.sum() / each
            seen.append((plan[self.accelerator.process_index :: self.accelerator.num_processes], losses.detach()))
            self.accelerator.backward(loss * self.accelerator.num_processes)
            total += loss.detach()
        norm = self.accelerator.clip_grad_norm_(self.module.parameters(), self.settings.clip or math.inf)
        value, size = torch.stack([self.accelerator.reduce(total), norm]).tolist()
        if not (math.isfinite(value) and math.isfinite(size)):
            self._stop(seen, value, size)
        self.optimizer.step()
        self.optimizer.zero_grad()
        lists = sum(len(plan) for plan in plans)
        return {"job": self.job, "loss": value * each / lists, "gradient": size, "learning_rate": rate}

    def _share(self, plan: Tensor) -> Tensor:
        """The lists of a batch that this process takes; at least one, so that every process takes part."""
        return plan[self.accelerator.process_index :: self.accelerator.num_processes] if self._rows(plan) else plan[:1]

    def _rows(self, plan: Tensor) -> int:
        """How many of them count."""
        return len(range(self.accelerator.process_index, len(plan), self.accelerator.num_processes))

    def _synchronised(self, is_last: bool) -> Any:
        return torch.enable_grad() if is_last else self.accelerator.no_sync(self.loss)

    def _autocast(self) -> Any:
        return torch.autocast(self.trainer.device.type, dtype=torch.bfloat16, enabled=self.settings.precision == "bf16")

    def _stop(self, seen: Sequence[tuple[Tensor, Tensor]], loss: float, gradient: float) -> None:
        """Ends the job; names the lists whose loss is not finite, or all of the step when only the gradient is not."""
        from accelerate.utils import gather_object

        bad = gather_object([index for plan, losses in seen for index in plan[~losses.cpu().isfinite()].tolist()])
        lists = bad or gather_object([index for plan, _ in seen for index in plan.tolist()])
        named = ", ".join(map(str, lists[:8])) + (f" and {len(lists) - 8} more" if len(lists) > 8 else "")
        raise RunError(
            f"job {self.job!r}, step {self.step + 1}: loss {loss:g} with gradient norm {gradient:g} is not finite, on lists "
            f"{named} of the training split. The last checkpoint is kept; check these lists, or train anew at a lower rate."
        )

    def _evaluated(self, values: Mapping[str, float], best: str | None) -> dict[str, float | str]:
        if best is not None and values[best] > self.best:
            self.best, self.best_weights = values[best], _copied(self.module.state_dict())
        return {name: float(value) for name, value in values.items()}

    def _state(self) -> JobState:
        names = {parameter: name for name, parameter in self.module.named_parameters()}
        moments = {
            f"{names[parameter]}|{key}": value.detach().cpu().clone()
            for parameter, state in self.optimizer.state.items()
            for key, value in state.items()
        }
        generators = {"draws": self.trainer.generator.get_state(), "global": torch.get_rng_state()}
        if self.trainer.device.type == "cuda":
            generators["cuda"] = torch.cuda.get_rng_state(self.trainer.device)
        weights = _copied(self.module.state_dict())
        return JobState(
            self.step, self.epoch, self.epoch_step, self.seconds, self.best, weights, self.best_weights, moments, generators
        )

    def restore(self, state: JobState) -> None:
        """Goes back to a checkpoint."""
        self.step, self.epoch, self.epoch_step = state.step, state.epoch, state.epoch_step
        self.seconds, self.best, self.best_weights = state.seconds, state.best, dict(state.best_weights)
        self.module.load_state_dict(dict(state.weights))
        parameters = dict(self.module.named_parameters())
        for key, value in state.moments.items():
            name, _, moment = key.rpartition("|")
            # The step counter too: a fused optimiser keeps it where the parameters are.
            self.optimizer.state[parameters[name]][moment] = value.to(self.trainer.device)
        self.trainer.generator.set_state(state.generators["draws"])
        torch.set_rng_state(state.generators["global"])
        if "cuda" in state.generators and self.trainer.device.type == "cuda":
            torch.cuda.set_rng_state(state.generators["cuda"], self.trainer.device)


def _copied(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in weights.items()}


def _evaluated_epochs(epochs: int, evaluations: int) -> frozenset[int]:
    """The epochs, from 1, after which the front is measured: evenly spread, the last one among them."""
    return frozenset(math.ceil(epochs * index / evaluations) for index in range(1, evaluations + 1))


def _rate_factor(progress: float, settings: TrainerSettings) -> float:
    """Share of the peak learning rate, for `progress` from 0 (exclusive) to 1."""
    if progress < settings.warmup:
        return progress / settings.warmup
    if settings.schedule == "constant":
        return 1.0
    rest = (progress - settings.warmup) / (1 - settings.warmup) if settings.warmup < 1 else 1.0
    return 0.5 * (1 + math.cos(math.pi * rest))
