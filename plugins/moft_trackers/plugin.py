"""Offers trackers for TensorBoard, trackio, Weights & Biases and MLflow."""

from __future__ import annotations

from collections.abc import Iterator

from moft import Component, hookimpl


@hookimpl
def moft_trackers() -> Iterator[Component]:
    """The shipped trackers; each needs its own library."""
    yield Component("tensorboard", "moft_trackers.tensorboard:OnTensorBoard", "event files for TensorBoard")
    yield Component("trackio", "moft_trackers.trackio:OnTrackio", "a trackio project, here or in a Space")
    yield Component("wandb", "moft_trackers.wandb:OnWandb", "a Weights & Biases project")
    yield Component("mlflow", "moft_trackers.mlflow:OnMLflow", "an MLflow experiment, in a local database or on a server")
