"""The language model, prefix and gates behind an assignment of a policy."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from moft import ConfigError, ShapeError
from moft.api import Assignment, Injection
from moft_llm.network.language_model import LanguageModel


def unpack_assignment(assignment: Assignment) -> tuple[LanguageModel, Injection]:
    """The language model of an assignment, and the prefix and gates of its k rows, the model's own prompt included.

    Raises:
        ConfigError: its model is not a language model, or more than a prefix and gates is injected.
    """
    model, injection, rows = assignment.model, assignment.injection, len(assignment.rows)
    if not isinstance(model, LanguageModel):
        raise ConfigError(f"{type(model).__name__} is not a language model, so it cannot generate text.")
    if injection.modulation or injection.deltas:
        raise ConfigError(
            "text can be generated with a prefix and gates of LoRA only; this policy changes layers in another way."
        )
    return model, Injection(prefix=model.opened(model.prefix, rows, injection), gates=model.gates(rows, injection))


def check_assignments(assignments: Sequence[Assignment], prompts: int) -> None:
    """Checks that assignments cover each of `prompts` prompts exactly once.

    Raises:
        ShapeError: they do not.
    """
    covered = sorted(row for assignment in assignments for row in assignment.rows.tolist())
    if covered != list(range(prompts)):
        raise ShapeError(f"{prompts} prompts need a tradeoff with as many rows, got {len(covered)}.")


def is_as_trained(divisor: Tensor) -> Tensor:
    """Bool of the same shape, True where a divisor is 1: no logits of the base model are mixed in."""
    return (divisor - 1).abs() <= 1e-6
