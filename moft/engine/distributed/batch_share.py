"""The share of a batch that each of several processes computes."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def share_of(plan: Tensor, accelerator: Any) -> tuple[Tensor, int]:
    """The lists of a batch that this process loads, and how many of them count.

    A process for which no list is left loads the first one, so that it takes part in the pass, and counts none.

    Args:
        plan: `[lists]`, all lists of the batch.
        accelerator: Accelerate's.
    """
    lists = plan[accelerator.process_index :: accelerator.num_processes]
    return (lists, len(lists)) if len(lists) else (plan[:1], 0)
