"""The mean label of the items that are ranked first."""

import torch

from moft.api import Count, ListValues


class TopLabels:
    """The mean label of the first k items.

    Args:
        objectives: of the task.
        main: the main objective, or None.
        k: items that are looked at; of a shorter list all.
    """

    def __init__(self, objectives, main, *, k: Count = 3):
        self.metric = f"mean label of the first {k} items (of a shorter list, of all)"
        self._main, self._k = main, k

    def __call__(self, steered, batches):
        values, mains, lists = [], [], []
        for batch in batches:
            scores = steered(batch).masked_fill(~batch.items, float("-inf"))  # [n, batch, list]
            first = scores.argsort(dim=-1, descending=True, stable=True).argsort(-1) < self._k
            first = (first & batch.items).float() / batch.items.sum(-1, keepdim=True).clamp(max=self._k)
            values.append(torch.einsum("nbl,blm->nbm", first, batch.labels))
            mains.append((first * batch.main).sum(-1) if self._main else first.sum(-1) * float("nan"))
            lists.append(batch.lists)
        return ListValues(torch.cat(values, 1).cpu(), torch.cat(mains, 1).cpu(), torch.cat(lists).cpu())
