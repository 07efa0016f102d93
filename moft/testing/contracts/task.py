"""The contract of tasks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Generator, Tensor

from moft.interfaces import ChecksInputs, InputCheck, Task
from moft.testing.contracts.assertions import (
    broken_rule,
    forked_randomness,
    require,
    require_finite,
    require_kind,
    require_same,
    unused_global_generator,
)
from moft.types import Batch, Batches, Injection, Nouns

_SPLITS = ("train", "validation", "test")
_SEEDS = range(5)


def check_task(task: Task, splits: Sequence[str] = _SPLITS) -> None:
    """Checks the contract of tasks.

    Objectives have different names. In every split, the shapes of a batch agree, masks are False at padding and values are
    finite. Lists are numbered from zero and occur once, with the same content in any batch. Their order is fixed without a
    generator, and depends on the seed with one. There is a model for any size of tradeoff. The state can be restored, and JSON
    can hold the identity. Its `check_inputs`, if it has one, takes what was prepared, and changes nothing.

    Args:
        task: prepared; a small one, since every split is read several times.
        splits: to check.

    Raises:
        AssertionError: a rule is broken; the message gives the rule, what was found and the input.
    """
    names = [objective.name for objective in task.objectives]
    require(bool(names) and len(set(names)) == len(names), "objectives with different names", names, "the task")
    require_kind(task.nouns, Nouns, "`nouns`, a moft.api.Nouns", "the task")
    for split in splits:
        on = f"split {split!r}"
        with forked_randomness(), unused_global_generator("only the given generator is used", on):
            batches = task.batches(split)
            content = _check_content(batches, len(names), on)
        _check_order(task, split, content, len(names))
    _check_model(task, splits[0])
    _check_records(task)
    if isinstance(task, ChecksInputs):
        _check_inputs(task, task.state, len(names))


def _check_content(batches: Batches, m: int, on: str) -> dict[int, Tensor]:
    """The content of each list by its number, after a check of the batches."""
    content: dict[int, Tensor] = {}
    for number, batch in enumerate(batches):
        _check_batch(batch, m, f"batch {number} of {on}")
        planned = batches.plan[number].tolist()
        require(
            batch.lists.tolist() == planned, "a batch holds the planned lists, in order", batch.lists.tolist(), f"{planned}, {on}"
        )
        for row, index in enumerate(planned):
            require(index not in content, "every list occurs once", f"list {index} twice", on)
            content[index] = _row_content(batch, row)
    numbers = sorted(content)
    require(numbers == list(range(len(numbers))), "lists numbered from zero without a gap", f"{numbers[:10]} ...", on)
    require(bool(numbers), "at least one list", "none", on)
    return content


def _check_batch(batch: Batch, m: int, on: str) -> None:
    rows, length = batch.items.shape
    shapes = {
        "labels": (batch.labels, (rows, length, m)),
        "mask": (batch.mask, (rows, length, m)),
        "reference": (batch.reference, (rows, length)),
        "main": (batch.main, (rows, length)),
        "lists": (batch.lists, (rows,)),
    }
    for name, (tensor, shape) in shapes.items():
        require(tuple(tensor.shape) == shape, f"{name} of shape {list(shape)}", list(tensor.shape), on)
    for name, tensor in batch.inputs.items():
        require(len(tensor) == rows, f"input {name!r} with {rows} rows", list(tensor.shape), on)
    for name, tensor, dtype in (
        ("mask", batch.mask, torch.bool),
        ("items", batch.items, torch.bool),
        ("lists", batch.lists, torch.int64),
    ):
        require(tensor.dtype == dtype, f"{name} of {dtype}", tensor.dtype, on)
    outside = batch.mask & ~batch.items.unsqueeze(-1)
    require(not bool(outside.any()), "the mask is False at padding", f"{int(outside.sum())} entries of padding that are True", on)
    require(bool(batch.items.any(1).all()), "every list has an item", "a list without items", on)
    for name, tensor in (("labels", batch.labels), ("reference", batch.reference), ("main", batch.main), *batch.inputs.items()):
        if tensor.is_floating_point():
            require_finite(tensor, f"{name} are finite, at padding too", on)


def _check_order(task: Task, split: str, content: dict[int, Tensor], m: int) -> None:
    on = f"split {split!r}"
    fixed = _order(task.batches(split))
    require(_order(task.batches(split)) == fixed, "the same order each time without a generator", "another order", on)
    orders = [_order(task.batches(split, Generator().manual_seed(seed))) for seed in _SEEDS]
    again = [_order(task.batches(split, Generator().manual_seed(seed))) for seed in _SEEDS]
    require(orders == again, "the same order for the same seed", "another order", on)
    distinct = len(content) < 3 or any(order != orders[0] for order in orders)
    require(distinct, "an order drawn from the generator", "the same order for five seeds", on)
    shuffled = _check_content(task.batches(split, Generator().manual_seed(0)), m, f"{on}, shuffled")
    require(len(shuffled) == len(content), "every list occurs in any order", f"{len(shuffled)} of {len(content)}", on)
    for index, found in shuffled.items():
        require_same(found, content[index], "a list has the same content in any batch", f"list {index} of {on}", tolerance=1e-4)


def _check_model(task: Task, split: str) -> None:
    batch = next(iter(task.batches(split)))
    for size in (1, 4):
        on = f"model({size})"
        with forked_randomness():
            model = task.model(size)
        require(model.spec.tradeoff_size == size, f"a spec with tradeoff_size {size}", model.spec.tradeoff_size, on)
        with torch.no_grad():
            scores = model(batch.inputs, Injection())
        shape = list(batch.items.shape)
        require(list(scores.shape) == shape, f"scores {shape}", f"shape {list(scores.shape)}", f"{on}, first batch of {split!r}")


def _check_records(task: Task) -> None:
    state = {name: value.clone() for name, value in task.state().items()}
    task.restore(state)
    after = dict(task.state())
    require(after.keys() == state.keys(), "the same state after restoring it", sorted(after), "its state")
    for name, value in state.items():
        require_same(after[name], value, "the same state after restoring it", name, tolerance=0.0)
    try:
        json.dumps(dict(task.identity()))
    except (TypeError, ValueError) as error:
        raise broken_rule("an identity that JSON can hold", error, "identity()") from error


def _check_inputs(task: ChecksInputs, state: Callable[[], Mapping[str, Tensor]], m: int) -> None:
    before = {name: value.clone() for name, value in state().items()}
    with forked_randomness(), unused_global_generator("a look draws nothing", "check_inputs()"):
        found = task.check_inputs()
    require_kind(found, InputCheck, "a moft.api.InputCheck", "check_inputs()")
    require(all(map(_is_sentence, found.unchecked)), "sentences on what is unchecked", found.unchecked, "check_inputs()")
    if found.sample is not None:
        _check_batch(found.sample, m, "the sample of check_inputs()")
    after = state()
    for name, value in before.items():
        require_same(after[name], value, "the same state after a look", name, tolerance=0.0)


def _is_sentence(text: object) -> bool:
    return isinstance(text, str) and bool(text.strip()) and "\n" not in text


def _order(batches: Batches) -> list[int]:
    """The lists in the order of the plan."""
    return [index for lists in batches.plan for index in lists.tolist()]


def _row_content(batch: Batch, row: int) -> Tensor:
    """The content of one list, without padding: `[items, 2 * m + 2]`."""
    items = batch.items[row]
    columns = [
        batch.labels[row][items],
        batch.mask[row][items].to(batch.labels),
        batch.reference[row][items].unsqueeze(-1).to(batch.labels),
        batch.main[row][items].unsqueeze(-1).to(batch.labels),
    ]
    return torch.cat(columns, dim=-1).cpu()
