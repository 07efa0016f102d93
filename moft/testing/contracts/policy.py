"""The contract of policies."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from moft.interfaces import Policy
from moft.testing.contracts.assertions import drawn_weights, perturbed, require, require_finite, require_same
from moft.types import Batch, Tradeoff

_ABOVE, _BELOW = 4.0, 0.5


def check_policy(policy: Policy, batch: Batch, betas: Tensor | None = None, *, any_ratio: bool = False) -> None:
    """Checks the contract of policies, on a copy with noise on its parameters.

    Scores are `[batch, list]` and finite, and the same on every call. Lists of one batch may have different tradeoffs, or share
    one row; each list scores the same alone. Betas multiplied by c move the scores towards the reference,
    `s0 + (s - s0) / c`. `steer` gives the scores of each tradeoff of a grid. The models and injections in `assignments` give the
    same scores.

    Args:
        policy: to check; it is not changed.
        batch: of at least two lists.
        betas: `[1, m]`, at which the policy is trained; None for 1 for each objective.
        any_ratio: whether the policy serves betas that are not a multiple of these.

    Raises:
        AssertionError: a rule is broken; the message gives the rule, what was found and the input.

    Source: Ren et al. 2024 (COS-DPO), arXiv 2410.08316, equations 13 and 14.
    """
    require(len(batch) > 1, "at least two lists to check with", len(batch), "the batch given")
    generator = Generator().manual_seed(0)
    m = batch.labels.shape[-1]
    trained = torch.ones(1, m) if betas is None else betas
    weights = drawn_weights(len(batch), m, generator)
    multiples = torch.exp(torch.randn(len(batch), m if any_ratio else 1, generator=generator))
    tradeoff = Tradeoff(weights, trained * multiples).to(batch.reference.device)
    subject = perturbed(policy)
    with torch.no_grad():
        scores = subject(batch, tradeoff)
        shape = tuple(batch.reference.shape)
        require(
            tuple(scores.shape) == shape, f"scores {list(shape)}", f"shape {list(scores.shape)}", "one tradeoff for each list"
        )
        require_finite(scores[batch.items], "scores of items are finite", "one tradeoff for each list")
        _check_rows(subject, batch, tradeoff, scores)
        _check_betas(subject, batch, tradeoff, scores)
        _check_steering(subject, batch, tradeoff)
        _check_assignments(subject, batch, tradeoff, scores)
        require_same(subject(batch, tradeoff), scores, "the same scores twice", "the same call again", tolerance=0.0)


def _check_rows(subject: Policy, batch: Batch, tradeoff: Tradeoff, scores: Tensor) -> None:
    for row in range(len(batch)):
        rows = torch.tensor([row], device=batch.reference.device)
        one = batch.select(rows)
        rule = "a list scores the same alone and in a batch with other tradeoffs"
        alone = subject(one, tradeoff.select(rows))
        require_same(scores[row][batch.items[row]], alone[0][one.items[0]], rule, f"list {row}", tolerance=1e-4)


def _check_betas(subject: Policy, batch: Batch, tradeoff: Tradeoff, scores: Tensor) -> None:
    for multiple in (_BELOW, _ABOVE):
        scaled = subject(batch, Tradeoff(tradeoff.weights, tradeoff.betas * multiple))
        expected = batch.reference + (scores - batch.reference) / multiple
        rule = "betas multiplied by c give the scores s0 + (s - s0) / c"
        require_same(scaled[batch.items], expected[batch.items], rule, f"c = {multiple}", tolerance=1e-4)


def _check_steering(subject: Policy, batch: Batch, tradeoff: Tradeoff) -> None:
    steered = subject.steer(tradeoff)(batch)  # [n, batch, list]
    shape = (len(tradeoff), *batch.reference.shape)
    require(tuple(steered.shape) == shape, f"steered scores {list(shape)}", f"shape {list(steered.shape)}", "every tradeoff")
    for index in range(len(tradeoff)):
        one = tradeoff.select(torch.tensor([index], device=batch.reference.device))
        rule = "`steer` gives the same scores as a call with one row of the tradeoff"
        direct = subject(batch, one)
        require_same(steered[index][batch.items], direct[batch.items], rule, f"tradeoff {index}", tolerance=1e-4)


def _check_assignments(subject: Policy, batch: Batch, tradeoff: Tradeoff, scores: Tensor) -> None:
    found = subject.assignments(tradeoff)
    served = sorted(row for assignment in found for row in assignment.rows.tolist())
    require(
        served == list(range(len(tradeoff))), "`assignments` cover every row once", f"rows {served}", "one tradeoff for each list"
    )
    for assignment in found:
        part = batch.select(assignment.rows)
        outputs = assignment.model(part.inputs, assignment.injection)
        change = outputs if assignment.model.spec.is_correction else outputs - part.reference
        rule = "the model and injection of an assignment give the policy's scores: reference + change / divisor"
        mixed = part.reference + change / assignment.divisor
        require_same(
            mixed[part.items], scores[assignment.rows][part.items], rule, f"rows {assignment.rows.tolist()}", tolerance=1e-4
        )
