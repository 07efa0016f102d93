"""Whether a method goes with a task's model, told before anything is trained."""

from __future__ import annotations

import torch

from moft.cache import cache_folder
from moft.errors import DataError
from moft.interfaces import Context, Foreseeing, Foreseen, Method, Policy, Task
from moft.run.settings import RunSettings


def check_fit(method: Method[Policy], task: Task) -> None:
    """Nothing, when a method goes with the model that a task will give, as far as both can tell; it is not changed by that.

    Raises:
        ConfigError: it does not.
        DataError: the task's data, on which the model depends, are not there or faulty.
    """
    if isinstance(task, Foreseen) and isinstance(method, Foreseeing):
        method.check(task.objectives, task.foreseen)


def foreseen_misfit(settings: RunSettings) -> str:
    """Why it cannot be known yet whether a run's method goes with its model; empty where it does.

    Raises:
        ConfigError: it does not go.
    """
    task = settings.task(Context(torch.device("cpu"), settings.seed, cache_folder()))
    try:
        check_fit(settings.method, task)
    except DataError as error:
        return str(error)
    return ""
