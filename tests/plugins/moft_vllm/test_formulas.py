"""Formulas give what moft's conditioners give."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from moft.api import formula_of
from moft_vllm.errors import FolderError
from moft_vllm.formulas import injected
from tests.plugins.moft_vllm.conftest import CONDITIONERS, SPEC, conditioner_of


def assert_equal(found, expected):
    """Equal to a millionth of the largest value."""
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-6 * expected.abs().max()


@pytest.mark.parametrize("size", [2, 5])
@pytest.mark.parametrize("kind", CONDITIONERS)
def test_a_formula_computes_what_the_conditioner_does(kind, size):
    conditioner = conditioner_of(kind, replace(SPEC, tradeoff_size=size))
    vectors = torch.cat([torch.eye(size), torch.rand(4, size, generator=torch.Generator().manual_seed(0)).softmax(-1)])
    with torch.no_grad():
        expected = conditioner(vectors)
        for row, vector in enumerate(vectors):
            prefix, gates = injected(formula_of(conditioner), conditioner.state_dict(), vector)
            assert (prefix is None) == (expected.prefix is None)
            if prefix is not None:
                assert_equal(prefix, expected.prefix[row])
            assert set(gates) == set(expected.gates)
            for layer, gate in gates.items():
                assert_equal(gate, expected.gates[layer][row])


@pytest.mark.parametrize(
    ("formula", "told"),
    [
        ({"kind": "new"}, "of the kind 'new', which this version of moft_vllm does not know"),
        ({"kind": "hpt"}, "'hpt' and its tensors do not fit together"),
        ({"kind": "hpt", "rank": 7}, "'hpt' and its tensors do not fit together"),
    ],
)
def test_what_does_not_fit_is_told(formula, told):
    with pytest.raises(FolderError, match=told):
        injected(formula, conditioner_of("hpt").state_dict(), torch.ones(2))
