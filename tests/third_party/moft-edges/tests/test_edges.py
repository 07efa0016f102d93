"""The sampler of edges."""

import torch
from moft_edges import plugin
from moft_edges.sampler import Edges

from moft.testing import check_plugin, check_sampler


def test_contract():
    check_plugin(plugin)
    check_sampler(Edges)


def test_no_draw_has_three_entries():
    drawn = Edges(5).draw(100, torch.Generator().manual_seed(0))
    assert (drawn > 0).sum(-1).max() == 2
