"""The known front: its metric against another implementation, its scores against free optimisation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from moft_ltr.data.example_data.synthetic_front import KnownFront, grid, ndcg


def test_the_metric_agrees_with_sklearn() -> None:
    from sklearn.metrics import ndcg_score

    generator = np.random.default_rng(0)
    for length in (2, 9, 10, 30):
        labels = generator.integers(0, 5, (length, 2)).astype(float)
        labels[0] = 1
        scores = np.vstack([generator.standard_normal((3, length)), generator.integers(0, 3, (3, length))])
        expected = [[ndcg_score([z], [s], k=10) for z in labels.T] for s in scores]
        assert np.allclose(ndcg(scores, labels), expected)


def test_tied_documents_share_their_ranks() -> None:
    labels = np.array([[0.0], [1.0]])
    assert np.allclose(ndcg(np.zeros((1, 2)), labels), (1 + 1 / np.log2(3)) / 2)


def test_a_list_without_positive_labels_is_skipped() -> None:
    assert np.isnan(ndcg(np.zeros((2, 3)), np.zeros((3, 1)))).all()
    known = KnownFront(1)
    rows = np.array([[0.0], [0.0], [1.0], [0.0]], dtype=np.float32)
    assert len(list(known.measure_through(iter([(rows, rows[:, 0])]), np.array([0, 2, 4])))) == 1
    assert known.values.tolist() == [[1.0]]


@pytest.mark.parametrize("m", [1, 2, 3, 5])
def test_the_grid_lies_on_the_simplex_and_has_the_vertices_and_the_centroid(m: int) -> None:
    weights = grid(m)
    assert np.allclose(weights.sum(axis=1), 1)
    for wanted in [*np.eye(m), np.full(m, 1 / m)]:
        assert np.isclose(weights, wanted).all(axis=1).any()
    assert len(np.unique(weights, axis=0)) == len(weights)


def test_at_a_vertex_its_objective_is_perfect() -> None:
    known = KnownFront(3)
    rows = np.random.default_rng(0).integers(0, 5, (40, 3)).astype(np.float32)
    for _ in known.measure_through(iter([(rows, rows[:, 0])]), np.array([0, 15, 40])):
        pass
    assert np.allclose(np.diag(known.values[:3]), 1)
    assert (known.values <= 1).all()


def test_free_scores_that_minimise_the_weighted_losses_rank_as_the_known_front_does() -> None:
    labels = torch.tensor([[0.0, 3.0], [4.0, 1.0], [2.0, 2.0], [1.0, 4.0]], dtype=torch.float64)
    weights = torch.tensor([0.3, 0.7], dtype=torch.float64)
    scores = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([scores], max_iter=200, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = -(weights * (labels.softmax(0) * scores.log_softmax(0).unsqueeze(1)).sum(0)).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    assert_close(scores.detach().softmax(0), labels.softmax(0) @ weights, atol=1e-5, rtol=0)
