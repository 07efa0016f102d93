"""The files of a trained policy in a run folder: tensors, and a record of their hashes and of what training cost."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from moft.engine.policies.state_dict import load_own, own_state
from moft.errors import MoftError, RunError
from moft.files.expected_keys import read_expected
from moft.files.json import write_json
from moft.files.safetensors import check_fit, load_tensors, save_tensors
from moft.interfaces import Policy, Task
from moft.run.folder.layout_version import RESTORE
from moft.run.folder.run_folder import RunFolder
from moft.run.report.front_record import Cost
from moft.run.report.read_front import COST, cost_of, read_cost
from moft.suggestions import one_line

TASK = "task.safetensors"
POLICY = "policy.safetensors"
_RECORD = "record.json"


def save_policy(folder: RunFolder, task: Mapping[str, Tensor], policy: Mapping[str, Tensor], cost: Cost) -> None:
    """Writes what was learned before the policy, the policy, and the record of both."""
    folder.policy.mkdir(exist_ok=True)
    save_tensors(folder.policy / TASK, task)
    save_tensors(folder.policy / POLICY, policy)
    numbers = {**asdict(cost.policy), "base_seconds": cost.base_seconds}
    hashes = {name: hash_of(folder.policy / name) for name in (TASK, POLICY)}
    write_json(folder.policy / _RECORD, {"sha256": hashes, "cost": numbers})


def restore_task(folder: RunFolder, task: Task) -> None:
    """Restores a task from its file.

    Raises:
        MoftError: the file is missing or damaged, or belongs to another task.
    """
    file = folder.policy / TASK
    state = load_tensors(file)
    try:
        task.restore(state)
    except (MoftError, OSError):
        raise
    except Exception as error:
        raise RunError(f"{file}: does not fit the task {type(task).__name__} ({one_line(error)}). {RESTORE}") from error
    _check_unchanged(folder, TASK)


def restore_policy(folder: RunFolder, policy: Policy) -> None:
    """Restores a policy from its file.

    Raises:
        RunError: the file is missing or damaged, or belongs to another policy.
    """
    file = folder.policy / POLICY
    tensors = load_tensors(file)
    check_fit(tensors, own_state(policy), file)
    load_own(policy, tensors)
    _check_unchanged(folder, POLICY)


def training_cost(folder: RunFolder) -> Cost:
    """What training cost: from `front.json`, or of a policy that is not measured yet, from its own record.

    Raises:
        RunError: neither is there, or one is damaged.
    """
    record = _record(folder)
    return read_cost(folder.front) if folder.front.exists() or not record else cost_of(record["cost"])


def policy_hash(folder: RunFolder) -> str:
    """The SHA-256 of the trained policy, hex: as it was recorded when the policy was saved, or of the file without a record."""
    recorded: str | None = _record(folder).get("sha256", {}).get(POLICY)
    return hash_of(folder.policy / POLICY) if recorded is None else recorded


def hash_of(file: Path) -> str:
    """The SHA-256 of a file, hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _check_unchanged(folder: RunFolder, name: str) -> None:
    """Refuses a file of other content than training wrote; versions up to 0.2.0 kept no record."""
    record = _record(folder)
    file, kept = folder.policy / name, record.get("sha256", {}).get(name)
    if kept is not None and hash_of(file) != kept:
        raise RunError(
            f"{file}: its content has changed since training (SHA-256 {kept[:12]} then, {hash_of(file)[:12]} now). {RESTORE}"
        )


def _record(folder: RunFolder) -> dict[str, Any]:
    """The record; empty where there is none."""
    file = folder.policy / _RECORD
    return read_expected(file, {"sha256": {"*": str}, "cost": COST}, RESTORE) if file.exists() else {}
