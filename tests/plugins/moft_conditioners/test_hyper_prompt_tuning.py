"""Hyper Prompt Tuning keeps the contract of conditioners and starts with a prefix of its own for every tradeoff."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from moft import ConfigError
from moft.api import ModelSpec
from moft.testing import check_conditioner
from moft_conditioners.hyper_prompt_tuning import HyperPromptTuning

SPEC = ModelSpec(3, 8, frozenset({"prefix"}))


def test_hpt_keeps_the_contract():
    check_conditioner(HyperPromptTuning)
    check_conditioner(lambda spec: HyperPromptTuning(spec, tokens=1, rank=1, width=4))


def test_without_spread_every_tradeoff_starts_with_the_same_prefix():
    conditioner = HyperPromptTuning(SPEC, tokens=5, spread=0)
    prefix = conditioner(torch.rand(4, 3)).prefix
    assert prefix.shape == (4, 5, 8)
    for row in prefix:
        assert_close(row, conditioner.prompt)


@pytest.mark.parametrize("spread", [0.5, 4.0])
def test_masks_of_the_vertices_lie_as_far_from_one_as_was_set(spread):
    torch.manual_seed(0)
    conditioner = HyperPromptTuning(SPEC, tokens=5, spread=spread)
    masks = conditioner(torch.eye(3)).prefix / conditioner.prompt
    assert_close((masks - 1).square().mean().sqrt(), torch.tensor(spread))


def test_the_prefix_starts_at_embeddings_of_the_model():
    starts = torch.arange(6.0).unsqueeze(1).expand(-1, 8)
    prompt = HyperPromptTuning(ModelSpec(3, 8, frozenset({"prefix"}), prefix_starts=starts), tokens=20).prompt
    assert (prompt == prompt[:, :1]).all()
    assert set(prompt[:, 0].tolist()) <= set(range(6))
    assert len(set(prompt[:, 0].tolist())) > 1


def test_the_mask_has_the_set_rank():
    torch.manual_seed(0)
    conditioner = HyperPromptTuning(SPEC, tokens=6, rank=2)
    masks = conditioner(torch.rand(4, 3)).prefix / conditioner.prompt - 1
    for mask in masks.detach().double():
        assert torch.linalg.matrix_rank(mask, rtol=1e-4) == 2


def test_its_parameters_are_the_prompt_and_two_networks():
    v, r, width, d, m = 6, 2, 16, 8, 3
    count = sum(parameter.numel() for parameter in HyperPromptTuning(SPEC, tokens=v, rank=r, width=width).parameters())
    assert count == v * d + 2 * (m + 1) * width + (width + 1) * (v * r + r * d)


def test_a_model_that_takes_no_prefix_is_refused():
    with pytest.raises(ConfigError, match=r"'hpt' fills the slot 'prefix'.*its slots: modulation"):
        HyperPromptTuning(ModelSpec(2, 8, frozenset({"modulation"}), ("input",)))


def test_a_prefix_that_leaves_no_room_is_refused_with_the_figure():
    spec = ModelSpec(3, 8, frozenset({"prefix"}), max_prefix=7, name="a model")
    assert HyperPromptTuning(spec, tokens=7)(torch.rand(1, 3)).prefix.shape[1] == 7
    with pytest.raises(ConfigError, match="'hpt' puts 8 tokens before the text, but a model has space for 7; set fewer tokens"):
        HyperPromptTuning(spec)
