"""The contract of models."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from moft.interfaces import Model
from moft.testing.contracts.assertions import perturbed, require, require_finite, require_same
from moft.testing.random_injections import injected_tensors, injection_row, neutral_injection, single_injections
from moft.types import Injection, Inputs, ModelSpec


def check_model(model: Model, inputs: Inputs) -> None:
    """Checks the contract of models, on a copy with noise on its parameters, because a last layer may start at zero.

    Scores are `[batch, list]` and finite, and a row scores the same alone and in a batch. Every site and layer in its spec is
    used, row by row, with a gradient. A neutral injection does not change the scores.

    Args:
        model: to check; it is not changed.
        inputs: of at least two rows.

    Raises:
        AssertionError: a rule is broken; the message gives the rule, what was found and the input.
    """
    rows = min(len(value) for value in inputs.values())
    require(rows > 1, "at least two rows to check with", f"{rows}", "the inputs given")
    spec = model.spec
    _check_spec(spec)
    subject = perturbed(model)
    with torch.no_grad():
        plain = subject(inputs, Injection())
        require(plain.dim() == 2 and len(plain) == rows, f"scores [{rows}, list]", f"shape {list(plain.shape)}", "no injection")
        require_finite(plain, "scores are finite", "no injection")
        require_same(subject(inputs, Injection()), plain, "the same scores twice", "no injection, called again", tolerance=0.0)
        _check_rows(subject, inputs, Injection(), plain, "no injection")
        neutral = subject(inputs, neutral_injection(spec, rows))
        require_same(
            neutral, plain, "scales and gates of one, shifts and deltas of zero do not change the scores", "a neutral injection"
        )
    for what, injection in single_injections(spec, rows, Generator().manual_seed(0)).items():
        _check_injection(subject, inputs, injection, plain, what)


def _check_spec(spec: ModelSpec) -> None:
    for slot, places, kind in (
        ("modulation", spec.sites, "sites"),
        ("deltas", spec.shapes, "shapes"),
        ("gates", spec.ranks, "ranks"),
    ):
        agree = (slot in spec.slots) == bool(places)
        require(
            agree,
            f"{kind} are named if and only if the slot {slot!r} is read",
            f"{sorted(spec.slots)} and {list(places)}",
            "its spec",
        )
    require(spec.tradeoff_size >= 1 and spec.hidden_size >= 1, "sizes of at least one", spec, "its spec")


def _check_injection(subject: Model, inputs: Inputs, injection: Injection, plain: Tensor, what: str) -> None:
    tensors = list(injected_tensors(injection).values())
    for tensor in tensors:
        tensor.requires_grad_()
    scores = subject(inputs, injection)
    require(scores.shape == plain.shape, f"scores {list(plain.shape)}", f"shape {list(scores.shape)}", what)
    require_finite(scores, "scores are finite", what)
    changed = bool(((scores - plain).abs() > 1e-6).any())
    require(changed, "every site and layer in its spec is used", "the scores did not change", what)
    slopes = torch.autograd.grad((scores * scores.detach().sign()).sum(), tensors, allow_unused=True)
    reached = any(slope is not None and bool(slope.any()) for slope in slopes)
    require(reached, "a gradient reaches the injection", "no gradient", what)
    with torch.no_grad():
        _check_rows(subject, inputs, injection, scores, what)


def _check_rows(subject: Model, inputs: Inputs, injection: Injection, scores: Tensor, what: str) -> None:
    for row in range(len(scores)):
        alone = subject({name: value[row : row + 1] for name, value in inputs.items()}, injection_row(injection, row))
        rule = "a row scores the same alone and in a batch"
        require_same(scores[row : row + 1], alone, rule, f"row {row}, {what}", tolerance=1e-4)
