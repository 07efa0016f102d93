"""Data of steering pages without a run, and pages that are open in a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from moft.run.report.steering_page.steering_record import steering_record
from tests.browser import chromium

__all__ = ["chromium"]


def front_of(m, *, names=None, dials=(0.5, 1.0, 2.0), has_main=True, more=(), lists=40, split="test") -> dict[str, Any]:
    """The content of a front: weights at the vertices, between them and in the middle, at several dials."""
    names = list(names or (f"objective {index + 1}" for index in range(m)))
    rows = torch.cat([torch.eye(m), (torch.eye(m) + torch.eye(m).roll(1, 0)) / 2, torch.full((1, m), 1 / m)]).unique(dim=0)

    def entry(weights, strength):
        values = [0.5 + 0.3 * strength * weight - 0.05 * strength * index / m for index, weight in enumerate(weights)]
        main = 0.9 - 0.2 * strength
        found = {"values": values, "ci": [[value - 0.02, value + 0.03] for value in values]}
        found |= {"main": main if has_main else None, "main_ci": [main - 0.01, main + 0.01] if has_main else [None, None]}
        return found | ({"more": dict.fromkeys(more, 10 * strength)} if more else {})

    points = [
        {"weights": weights, "betas": [dial] * m, "dial": dial, **entry(weights, 1 / (1 + dial))}
        for dial in dials
        for weights in rows.tolist()
    ]
    return {
        **{"objectives": names, "metric": "NDCG@10", "split": split, "lists": lists},
        **{"nouns": {"list": "query", "item": "document"}, "points": points, "base": entry([0.0] * m, 0.0)},
        **{"main": {"name": "main"}, "run": {"name": "my run", "config": {}, "data": {}}},
    }


def choice_of(front, weights, dial=1.0, **outcomes) -> dict[str, Any]:
    """The content of a choice of such a run."""
    names = [*front["objectives"], "main"]
    value = [outcomes.get(name, 0.6) for name in names]
    return {
        **{"weights": dict(zip(front["objectives"], weights, strict=True)), "dial": dial, "is_promised": True},
        **{"confidence": 0.96, "bounds": [{}], "lists": 80, "test": None},
        "wish": {"keep": ["main >= 90% of base"], "maximise": names[0], "share": None, "like": None, "confidence": 0.95},
        "outcomes": [
            {"name": name, "validation": mean, "validation_ci": [mean - 0.1, mean + 0.2]}
            for name, mean in zip(names, value, strict=True)
        ],
    }


@pytest.fixture(scope="session")
def made_front() -> Callable[..., dict[str, Any]]:
    """Makes the content of a `front.json`."""
    return front_of


@pytest.fixture(scope="session")
def made_choice() -> Callable[..., dict[str, Any]]:
    """Makes the content of a choice."""
    return choice_of


@pytest.fixture(scope="session")
def made_data() -> Callable[..., dict[str, Any]]:
    """Makes the data of a page."""

    def make(m, *, choices=None, is_text=False, place="runs/my run", **settings):
        front = front_of(m, **settings)
        names = [*front["objectives"], *(["main"] if settings.get("has_main", True) else []), *settings.get("more", ())]
        return steering_record(front, names, name="my run", place=place, is_text=is_text, choices=choices or {})

    return make
