"""What this process serves: the policy in the folder that the environment names, opened once."""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from moft_vllm.adapters import Adapters
from moft_vllm.policy import TOKENIZER, Policy
from moft_vllm.prompts import Prompts
from moft_vllm.requests import Requests
from moft_vllm.tradeoffs import Tradeoffs

FOLDER, STEPS, KEPT = "MOFT_VLLM_FOLDER", "MOFT_VLLM_STEPS", "MOFT_VLLM_KEPT"
"""Variables of the environment: the exported folder, the steps of weights, and how many idle adapters stay loaded."""
ADAPTERS = "MOFT_VLLM_ADAPTERS"
"""The variable with a folder for adapters; without it, there is a new one in shared memory."""


@dataclass(frozen=True)
class Served:
    """A policy with what requests need of it.

    Args:
        requests: rewrites them.
        tradeoffs: knows the names of models.
        adapters: of the weightings in use.
    """

    requests: Requests
    tradeoffs: Tradeoffs
    adapters: Adapters


def open_served(folder: Path, steps: int | None = None, kept: int = 64, root: Path | None = None) -> Served:
    """Opens a folder that `moft export --for vllm` wrote.

    Args:
        folder: to open.
        steps: of the weights; None for those of the folder.
        kept: adapters that stay loaded without requests.
        root: of the folders of adapters; None for a new one.

    Raises:
        FolderError: it is damaged.
    """
    from transformers import AutoTokenizer

    policy = Policy.read(folder)
    tokenizer = AutoTokenizer.from_pretrained(str(folder / TOKENIZER))
    rows = None if policy.embeddings is None else len(policy.embeddings)
    prompts = Prompts(policy.record["template"], tokenizer, rows)
    tradeoffs = Tradeoffs(policy.record, policy.record["steps"] if steps is None else steps)
    return Served(Requests(policy, tradeoffs, prompts), tradeoffs, Adapters(policy, kept, root))


@cache
def served() -> Served:
    """What the environment names."""
    steps, kept, root = os.environ.get(STEPS), int(os.environ.get(KEPT, "64")), os.environ.get(ADAPTERS)
    folder = Path(os.environ[FOLDER])
    found = open_served(folder, None if steps is None else int(steps), kept, None if root is None else Path(root))
    atexit.register(found.adapters.clear)
    return found
