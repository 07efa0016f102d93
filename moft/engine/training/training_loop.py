"""The steps of a job: its optimiser, its position, its best weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Generator, Tensor, nn

from moft.engine.distributed.fsdp import clip_together, is_sharded, optimizer_groups, part_of, whole
from moft.engine.policies.state_dict import load_own, load_whole, whole_state
from moft.engine.seed import generator_for
from moft.engine.training.adaptive_sampling import evaluated_epochs, learn, learned, learned_again, refuse_without_evaluations
from moft.engine.training.ensemble import Clock
from moft.engine.training.ensemble_on_cpu import CpuEnsemble, Step, StepResult
from moft.engine.training.job_records import JobState, Records
from moft.engine.training.trainer_settings import TrainerSettings
from moft.errors import RunError
from moft.interfaces.sampler import Feedback
from moft.types import Batch, Batches

_TIMED = 12  # times in an ensemble's job that one of its models is timed alone
_BLOCK = 4  # steps of models that take turns before anything is told of them

T = TypeVar("T")


@dataclass
class TrainerState:
    """What all jobs of a trainer share.

    Args:
        settings: of the trainer.
        accelerator: of Accelerate.
        records: where checkpoints and values go.
        seed: of the run.
        generator: of the running job's draws.
        device: where training is.
        lists: of the whole batch that is being worked on, over all processes.
    """

    settings: TrainerSettings
    accelerator: Any
    records: Records
    seed: int
    generator: Generator
    device: torch.device
    lists: int = 0

    def autocast(self) -> Any:
        """The precision of forward passes; a thread enters it for itself."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.settings.precision == "bf16")


@dataclass(frozen=True)
class TrainingJobs:
    """One model to be trained, or several together.

    Args:
        name: of the job.
        order: what names the order of the batches; jobs with the same one see the same batches.
        module: holds all of them.
        models: each of them.
        batches: one pass over the data.
        losses_of: batch and k indices of models to `[k, batch]`.
        evaluate: values of k models.
        best: the value whose best weights are kept, of each model.
        epochs: passes over the data.
        rate: peak learning rate.
        feedback: of the adaptive sampler that is drawn from.
    """

    name: str
    order: str
    module: nn.Module
    models: Sequence[nn.Module]
    batches: Callable[[Generator], Batches]
    losses_of: Callable[[Batch, Sequence[int]], Tensor]
    evaluate: Callable[[Sequence[int]], Sequence[Mapping[str, float]]] | None
    best: str | None
    epochs: int
    rate: float
    feedback: Feedback | None = None


class Loop:
    """Trains jobs from where they are to the end.

    Args:
        jobs: to be trained.
        shop: of the trainer.
    """

    def __init__(self, jobs: TrainingJobs, shop: TrainerState) -> None:
        self.jobs, self.shop, self.settings, self.accelerator = jobs, shop, shop.settings, shop.accelerator
        self.trained = [[one for one in model.parameters() if one.requires_grad] for model in jobs.models]
        self.everyone = tuple(range(len(jobs.models)))
        self.loss: nn.Module = _Loss(jobs.module, jobs.losses_of)
        self.optimizers: list[Any]
        self.turns: CpuEnsemble | None = None
        self.is_sharded = is_sharded(jobs.module)
        if self.takes_turns:
            self.optimizers = [self._adamw(parameters) for parameters in self.trained]
            clip = self.settings.max_grad_norm or math.inf
            self.turns = CpuEnsemble(jobs.models, jobs.losses_of, self.optimizers, clip, shop.autocast)
        else:
            self.optimizers = [self._adamw([parameter for parameters in self.trained for parameter in parameters])]
            if not self.is_sharded:  # a sharded model gathers and reduces by itself
                self.loss, *self.optimizers = self.accelerator.prepare(self.loss, *self.optimizers)
        self.step = self.epoch = self.epoch_step = 0
        self.best, self.best_weights = [-math.inf] * len(jobs.models), dict[str, Tensor]()
        self.clock = Clock(shop.device, {})

    @property
    def takes_turns(self) -> bool:
        """Whether every model has passes of its own; else all share one, in which their parameters are stacked."""
        return len(self.everyone) > 1 and self.shop.device.type == "cpu" and self.accelerator.num_processes == 1

    @property
    def parameters(self) -> int:
        """That are trained, over all models."""
        return sum(parameter.numel() for parameters in self.trained for parameter in parameters)

    def run(self) -> None:
        """Epochs from the current position to the end, then the best weights, kept as finished."""
        jobs, shop, is_main = self.jobs, self.shop, self.accelerator.is_main_process
        planned = evaluated_epochs(jobs.epochs, self.settings.evaluations) if jobs.evaluate is not None else frozenset[int]()
        refuse_without_evaluations(jobs.feedback, planned, jobs.epochs)
        alone = _Alone(self) if len(self.everyone) > 1 and self.accelerator.num_processes == 1 else None
        self.clock = Clock(shop.device, self.clock.spent)
        for epoch in range(self.epoch, jobs.epochs):
            data = jobs.batches(generator_for(shop.seed, jobs.order, "order", epoch))
            steps = math.ceil(len(data) / self.settings.gradient_accumulation_steps)
            while self.epoch == epoch and self.epoch_step < steps:
                index, count = self.epoch_step, self._ahead(steps)
                before, progress = ((epoch + done / steps) / jobs.epochs for done in (index, index + count))
                is_timed = alone is not None and int(progress * _TIMED) > int(before * _TIMED)
                if alone is not None and is_timed:
                    self.clock.lap("steps", wait=True)
                    alone(data, range(index, index + count), steps)
                    self.clock.lap("steps, timed alone", wait=True)
                found = self._steps(data, range(index, index + count), steps, epoch)
                self.clock.lap("steps", *(["steps, timed together"] if is_timed else []), wait=is_timed)
                for number, told in enumerate(found, start=index + 1):
                    self.step, self.epoch, self.epoch_step = self.step + 1, epoch, number
                    if number == steps:
                        self.epoch, self.epoch_step = epoch + 1, 0
                    measured = self._evaluated() if number == steps and self.epoch in planned else {}
                    values = (
                        told
                        | measured
                        | {
                            "progress": (epoch + number / steps) / jobs.epochs,
                            "epoch": epoch + 1,
                            "epochs": jobs.epochs,
                            "seconds": self.clock.seconds,
                            "lists": epoch * data.lists
                            + sum(map(len, data.plan[: number * self.settings.gradient_accumulation_steps])),
                        }
                    )
                    if is_main:
                        shop.records.step(self.step, values)
                    is_kept = self.step % self.settings.checkpoint_steps == 0
                    if is_kept and (is_main or self.is_sharded):  # all processes gather a state, one writes it
                        state = self._state()
                        if is_main:
                            shop.records.save(jobs.name, state)
        if self.best_weights:
            load_own(jobs.module, self.best_weights)
        if is_main or self.is_sharded:
            weights = whole_state(jobs.module)
            if is_main:
                shop.records.finish(jobs.name, weights, self.clock.account(len(self.everyone), self.parameters))
        shop.lists = 0
        self.accelerator.wait_for_everyone()
        self.accelerator.free_memory(self.loss, *self.optimizers)

    def close(self) -> None:
        """Ends the threads, if there are any."""
        if self.turns is not None:
            self.turns.close()

    def restore(self, state: JobState) -> None:
        """Goes back to a checkpoint."""
        self.step, self.epoch, self.epoch_step = state.step, state.epoch, state.epoch_step
        self.best, self.best_weights = list(state.best), dict(state.best_weights)
        self.clock = Clock(self.shop.device, state.clock)
        load_whole(self.jobs.module, state.weights, self.jobs.name)
        parameters = dict(self.jobs.module.named_parameters())
        owners = {one: owner for owner in self.optimizers for group in owner.param_groups for one in group["params"]}
        for key, value in state.moments.items():
            name, _, moment = key.rpartition("|")
            # The step counter too: a fused optimiser keeps it where the parameters are.
            owners[parameters[name]].state[parameters[name]][moment] = part_of(value.to(self.shop.device), parameters[name])
        self.shop.generator.set_state(state.generators["draws"])
        torch.set_rng_state(state.generators["global"])
        learned_again(self.jobs.feedback, state.generators)
        if "cuda" in state.generators and self.shop.device.type == "cuda":
            torch.cuda.set_rng_state(state.generators["cuda"], self.shop.device)

    def plans(self, data: Batches, index: int) -> Sequence[Tensor]:
        """The batches of one step."""
        return data.plan[
            index * self.settings.gradient_accumulation_steps : (index + 1) * self.settings.gradient_accumulation_steps
        ]

    def _adamw(self, parameters: list[nn.Parameter]) -> torch.optim.AdamW:
        fused = self.shop.device.type in ("cpu", "cuda")
        groups = optimizer_groups(parameters)
        return torch.optim.AdamW(groups, lr=self.jobs.rate, weight_decay=self.settings.weight_decay, fused=fused)

    def _ahead(self, steps: int) -> int:
        """How many steps are taken before something has to be told, kept or measured."""
        if self.turns is None:
            return 1
        checkpoint = self.settings.checkpoint_steps - self.step % self.settings.checkpoint_steps
        return min(_BLOCK, checkpoint, steps - self.epoch_step)

    def _steps(self, data: Batches, indices: range, steps: int, epoch: int) -> list[dict[str, float | str]]:
        """Takes steps of an epoch; the values of each."""
        each, found = data.lists / steps, []
        for index in indices:
            progress = (epoch + (index + 0.5) / steps) / self.jobs.epochs  # in the middle of the step: no step has a rate of zero
            found.append(Step(self.plans(data, index), self.jobs.rate * _rate_factor(progress, self.settings), each))
        if self.turns is None:
            return [self._step(data, step, self.step + 1) for step in found]
        taken = self.turns(data, found)
        return [
            self._told(step, row, self.step + number) for number, (step, row) in enumerate(zip(found, taken, strict=False), 1)
        ]

    def _step(self, data: Batches, step: Step, number: int) -> dict[str, float | str]:
        """One step of all models in one pass; its values."""
        (optimizer,) = self.optimizers
        for group in optimizer.param_groups:
            group["lr"] = step.rate
        totals = torch.zeros(len(self.everyone), device=self.shop.device)
        seen: list[Tensor] = []  # [models, rows] of each batch
        for position, plan in enumerate(step.plans):
            self.shop.lists = len(plan) if len(self.everyone) == 1 else 0  # one draw cannot serve models that are to be alike
            batch, rows = data.load(self._share(plan)), self._rows(plan)
            with self._synchronised(position == len(step.plans) - 1):
                with self.shop.autocast():
                    losses: Tensor = self.loss(batch, self.everyone).float()[:, :rows]
                self.accelerator.backward(losses.sum() / step.each * self.accelerator.num_processes)
            seen.append(losses.detach())
            totals += seen[-1].sum(1) / step.each
        clip = clip_together if self.is_sharded else self.accelerator.clip_grad_norm_
        norms = [clip(parameters, self.settings.max_grad_norm or math.inf) for parameters in self.trained]
        values, sizes = torch.stack([self.accelerator.reduce(totals), torch.stack(norms)]).tolist()
        row = [StepResult([losses[model] for losses in seen], values[model], sizes[model]) for model in self.everyone]
        told = self._told(step, row, number)
        optimizer.step()
        optimizer.zero_grad()
        return told

    def _told(self, step: Step, row: Sequence[StepResult], number: int) -> dict[str, float | str]:
        """The values of a step of every model.

        Raises:
            RunError: one is not finite.
        """
        for model, taken in enumerate(row):
            if not taken.is_finite:
                self._stop(step, taken, number, model)
        lists, count = sum(len(plan) for plan in step.plans), len(row)
        told: dict[str, float | str] = {"job": self.jobs.name} | ({"jobs": count} if count > 1 else {})
        loss = sum(taken.loss for taken in row) / count * step.each / lists
        return told | {"loss": loss, "gradient": max(taken.gradient for taken in row), "learning_rate": step.rate}

    def _share(self, plan: Tensor) -> Tensor:
        """The lists of a batch that this process takes; at least one, so that every process takes part."""
        return plan[self.accelerator.process_index :: self.accelerator.num_processes] if self._rows(plan) else plan[:1]

    def _rows(self, plan: Tensor) -> int:
        """How many of them count."""
        return len(range(self.accelerator.process_index, len(plan), self.accelerator.num_processes))

    def _synchronised(self, is_last: bool) -> Any:
        return torch.enable_grad() if is_last or self.is_sharded else self.accelerator.no_sync(self.loss)

    def _stop(self, step: Step, taken: StepResult, number: int, model: int) -> None:
        """Ends the job; names the lists whose loss is not finite, or all of the step when only the gradient is not."""
        from accelerate.utils import gather_object

        first, stride = self.accelerator.process_index, self.accelerator.num_processes
        own = [(plan[first::stride], losses.cpu()) for plan, losses in zip(step.plans, taken.losses, strict=True)]
        bad = gather_object([index for plan, losses in own for index in plan[~losses.isfinite()].tolist()])
        lists = bad or gather_object([index for plan, _ in own for index in plan.tolist()])
        named = ", ".join(map(str, lists[:8])) + (f" and {len(lists) - 8} more" if len(lists) > 8 else "")
        which = f", model {model + 1} of {len(self.everyone)}" if len(self.everyone) > 1 else ""
        raise RunError(
            f"job {self.jobs.name!r}{which}, step {number}: loss {taken.loss:g} with gradient norm {taken.gradient:g} is not "
            f"finite, on lists {named} of the training split. The last checkpoint is kept; check these lists, or train anew at "
            "a lower rate."
        )

    def _evaluated(self) -> dict[str, float | str]:
        """Values of the evaluation, means over the models; weights of those that are better than before are kept."""
        assess, best = self.jobs.evaluate, self.jobs.best
        if assess is None:
            return {}
        found = self._agreed([dict(values) for values in assess(self.everyone)])
        learn(self.jobs.feedback, self._agreed)
        is_timed = len(self.everyone) > 1 and "evaluations" not in self.clock.spent
        self.clock.lap("evaluations", *(["evaluations, timed together"] if is_timed else []))
        if is_timed:
            assess(self.everyone[:1])
            self.clock.lap("evaluations, timed alone")
        for index, (model, values) in enumerate(zip(self.jobs.models, found, strict=True)):
            if best is not None and values[best] >= self.best[index]:  # of equal ones the last, which is trained the most
                self.best[index] = values[best]
                prefix = "" if model is self.jobs.module else f"{index}."
                self.best_weights |= {f"{prefix}{name}": value for name, value in whole_state(model).items()}
        return {name: sum(float(values[name]) for values in found) / len(found) for name in found[0]}

    def _agreed(self, values: T) -> T:
        """The main process's values, in every process, so that rounding does not part them on what follows from these."""
        if self.accelerator.num_processes == 1:
            return values
        from accelerate.utils import broadcast_object_list

        agreed: T = broadcast_object_list([values])[0]
        return agreed

    def _state(self) -> JobState:
        names = {parameter: name for name, parameter in self.jobs.module.named_parameters()}
        moments = {
            f"{names[parameter]}|{key}": whole(value.detach()).cpu().clone()
            for optimizer in self.optimizers
            for parameter, state in optimizer.state.items()
            for key, value in state.items()
        }
        generators = {"draws": self.shop.generator.get_state(), "global": torch.get_rng_state()} | learned(self.jobs.feedback)
        if self.shop.device.type == "cuda":
            generators["cuda"] = torch.cuda.get_rng_state(self.shop.device)
        weights, place = whole_state(self.jobs.module), (self.step, self.epoch, self.epoch_step)
        return JobState(*place, self.clock.spent, tuple(self.best), weights, self.best_weights, moments, generators)


class _Loss(nn.Module):
    """The losses as a module, so that a distributed wrapper sees the forward pass that it has to synchronise."""

    def __init__(self, module: nn.Module, losses_of: Callable[[Batch, Sequence[int]], Tensor]) -> None:
        super().__init__()
        self.module = module
        self._losses_of = losses_of

    def forward(self, batch: Batch, models: Sequence[int]) -> Tensor:
        return self._losses_of(batch, models)


class _Alone:
    """Steps of the first model as if it were trained alone; they change nothing but the clock.

    Args:
        loop: of the ensemble that it is one of.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._copies = [nn.Parameter(parameter.detach().clone()) for parameter in loop.trained[0]]
        self._optimizer = loop._adamw(self._copies)

    def __call__(self, data: Batches, indices: range, steps: int) -> None:
        """What steps of its own job would do, from loading their batches to the optimiser."""
        for index in indices:
            self._step(data, self._loop.plans(data, index), data.lists / steps)

    def _step(self, data: Batches, plans: Sequence[Tensor], each: float) -> None:
        loop, losses = self._loop, torch.zeros(0)
        devices = [loop.shop.device] if loop.shop.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            for plan in plans:
                with loop.shop.autocast():
                    losses = loop.jobs.losses_of(data.load(plan), (0,)).float()
                torch.autograd.backward(losses.sum() / each)
        norm = torch.nn.utils.clip_grad_norm_(loop.trained[0], loop.settings.max_grad_norm or math.inf)
        torch.stack([losses.detach().sum(), norm]).tolist()
        for copy, parameter in zip(self._copies, loop.trained[0], strict=True):
            copy.grad, parameter.grad = parameter.grad, None
        self._optimizer.step()


def _rate_factor(progress: float, settings: TrainerSettings) -> float:
    """Share of the peak learning rate, for `progress` between 0 and 1."""
    if progress < settings.warmup:
        return progress / settings.warmup
    if settings.schedule == "constant":
        return 1.0
    rest = (progress - settings.warmup) / (1 - settings.warmup) if settings.warmup < 1 else 1.0
    return 0.5 * (1 + math.cos(math.pi * rest))
