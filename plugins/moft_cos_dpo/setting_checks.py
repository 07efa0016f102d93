"""Checks, before anything is trained, that a conditioner of COS-DPO fits the model."""

from __future__ import annotations

import torch

from moft.api import Conditioner, Factory, ModelSpec, checked_injection, refuse_misfit


def check_conditioner(make: Factory[Conditioner], spec: ModelSpec) -> None:
    """Checks that a conditioner fits a model, by building one and calling it once.

    Args:
        make: builds it for the spec.
        spec: of the model.

    Raises:
        ConfigError: the model does not read a slot that it fills.
        PluginError: it fails, or is not a conditioner.
        ShapeError: it returns what the model cannot read.
    """
    with torch.random.fork_rng(devices=[]):
        conditioner = make(spec)
        refuse_misfit(spec, conditioner)
        rows, size = 2 if conditioner.per_row else 1, spec.tradeoff_size
        checked_injection(conditioner, torch.full((rows, size), 1 / size), spec)
