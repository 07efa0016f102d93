"""Log-probabilities through the head in chunks: the formula, its gradient, and what is never held."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from moft import ShapeError
from moft_llm.network.lm_head import token_log_probabilities

N, HIDDEN, VOCABULARY = 13, 6, 50


class Largest(TorchDispatchMode):
    """Remembers the most elements that a tensor has had."""

    elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else [result]:
            if isinstance(value, torch.Tensor):
                self.elements = max(self.elements, value.numel())
        return result


def drawn(dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(N, HIDDEN, generator=generator, dtype=dtype)
    weight = torch.randn(VOCABULARY, HIDDEN, generator=generator, dtype=dtype)
    bias = torch.randn(VOCABULARY, generator=generator, dtype=dtype)
    return hidden, weight, bias, torch.randint(VOCABULARY, (N,), generator=generator)


def slowly(hidden, weight, bias, targets, softcap=None):
    logits = hidden @ weight.T + (0 if bias is None else bias)
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    return logits.log_softmax(-1).gather(1, targets[:, None]).squeeze(1)


def gradient(function, hidden, *others, **settings):
    leaf = hidden.clone().requires_grad_()
    factors = torch.linspace(-1, 2, N, dtype=hidden.dtype)
    scores = function(leaf, *others, **settings)
    (scores * factors).sum().backward()
    return scores.detach(), leaf.grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("softcap", [None, 2.5])
def test_scores_and_gradient_are_those_of_log_softmax_and_gather(dtype, has_bias, softcap):
    hidden, weight, bias, targets = drawn(dtype)
    bias = bias if has_bias else None
    expected = gradient(slowly, hidden, weight, bias, targets, softcap=softcap)
    assert_close(gradient(token_log_probabilities, hidden, weight, bias, targets, softcap=softcap), expected)


@pytest.mark.parametrize("rows", [1, 5, 13, 100])
def test_the_size_of_a_chunk_does_not_matter(rows):
    hidden, weight, bias, targets = drawn()
    assert_close(
        gradient(token_log_probabilities, hidden, weight, bias, targets, rows=rows),
        gradient(token_log_probabilities, hidden, weight, bias, targets),
    )


def test_scores_are_the_same_without_gradient():
    hidden, weight, bias, targets = drawn()
    with torch.no_grad():
        quietly = token_log_probabilities(hidden.clone().requires_grad_(), weight, bias, targets)
    assert not quietly.requires_grad
    assert_close(quietly, slowly(hidden, weight, bias, targets))


def test_the_gradient_is_that_of_finite_differences():
    hidden, weight, bias, targets = drawn()
    leaf = hidden.requires_grad_()
    torch.autograd.gradcheck(lambda value: token_log_probabilities(value, weight, bias, targets, softcap=3.0, rows=4), (leaf,))


def test_logits_are_never_whole():
    hidden, weight, _, targets = drawn(torch.float32)
    with Largest() as seen:
        gradient(token_log_probabilities, hidden, weight, None, targets, rows=3)
    assert 3 * VOCABULARY <= seen.elements < N * VOCABULARY
    with Largest() as slow:
        gradient(slowly, hidden, weight, None, targets)
    assert slow.elements >= N * VOCABULARY


def test_logits_far_apart_stay_finite():
    hidden, weight, _, targets = drawn(torch.float32)
    scores, slope = gradient(token_log_probabilities, hidden * 1e3, weight, None, targets)
    assert_close(scores, slowly(hidden * 1e3, weight, None, targets))
    assert slope.isfinite().all()


def test_weights_of_16_bits_give_scores_of_32():
    hidden, weight, _, targets = (
        value.bfloat16() if value is not None and value.is_floating_point() else value for value in drawn()
    )
    scores, slope = gradient(token_log_probabilities, hidden, weight, None, targets)
    exact, exact_slope = gradient(slowly, hidden.float(), weight.float(), None, targets)
    assert scores.dtype == torch.float32
    assert_close(scores, exact)
    assert slope.dtype == torch.bfloat16
    assert_close(slope.float(), exact_slope, atol=0.05, rtol=0.02)


def test_autocast_takes_the_products_in_its_own_precision():
    hidden, weight, _, targets = drawn(torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores, slope = gradient(token_log_probabilities, hidden, weight, None, targets)
    assert scores.dtype == slope.dtype == torch.float32
    assert_close(scores, slowly(hidden.bfloat16().float(), weight.bfloat16().float(), None, targets))


def test_no_tokens_have_no_scores():
    hidden, weight, _, targets = drawn()
    scores, slope = gradient(
        lambda value, *_: token_log_probabilities(value[:0], weight, None, targets[:0]).sum().expand(N), hidden
    )
    assert_close(scores, torch.zeros_like(scores))
    assert_close(slope, torch.zeros_like(slope))


def test_models_side_by_side_give_what_each_gives_alone():
    _, weight, bias, targets = drawn()
    both = torch.stack([drawn(seed=seed)[0] for seed in (1, 2)]).requires_grad_()
    scores = torch.vmap(lambda hidden: token_log_probabilities(hidden, weight, bias, targets, rows=5))(both)
    scores.sum().backward()
    for index in range(2):
        alone = both[index].detach().requires_grad_()
        expected = slowly(alone, weight, bias, targets)
        expected.sum().backward()
        assert_close(scores[index], expected)
        assert_close(both.grad[index], alone.grad)


def test_a_head_that_is_to_be_trained_is_refused(match):
    hidden, weight, _, targets = drawn()
    with pytest.raises(ShapeError) as raised:
        token_log_probabilities(hidden, weight.requires_grad_(), None, targets)
    assert match(r"^the LM head must be frozen", str(raised.value))
