"""What components return is looked at, and told with their name where it is not what they promise."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator

from moft import ConfigError, PluginError
from moft.api import Conditioner, Injection, ListValues, ModelSpec
from moft.engine.checks.return_values import (
    check_metric,
    checked_injection,
    checked_losses,
    checked_number,
    checked_policy,
    checked_values,
    failing_as,
)
from moft.engine.checks.sampler_draws import checked_draws, checked_grid, checked_state, checked_watched_weights
from moft.engine.policies.apply_injection import refuse_misfit
from moft.errors import MoftError, ShapeError

SPEC = ModelSpec(2, 4, frozenset({"modulation"}), ("input", "last"), name="the ranker")
WEIGHTS = torch.eye(2)


class Returns:
    """A sampler, an evaluator, an indicator and a method that returns what it is made with."""

    name = meaning = metric = "made up"

    def __init__(self, found):
        self.found = found

    def __call__(self, *given):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    draw = grid = policy = watched_weights = state = __call__


class Injects(Conditioner):
    """Injects what it is made with."""

    slots = frozenset({"modulation"})

    def __init__(self, found):
        super().__init__()
        self.found = found

    def forward(self, vector):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def told(call, *arguments):
    with pytest.raises(MoftError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "sampler Returns: draw(3) returned nothing (None); it has to return vectors, [3, 2] of floats."),
        (torch.ones(3), "sampler Returns: draw(3) returned a tensor of shape (3,); it has to return vectors, [3, 2] of floats."),
        (torch.ones(2, 2), "sampler Returns: draw(3) returned a tensor of shape (2, 2); it has to"),
        (torch.ones(3, 4), "sampler Returns: draw(3) returned a tensor of shape (3, 4); it has to"),
        (torch.ones(3, 2).long(), "sampler Returns: draw(3) returned a tensor of shape (3, 2) of torch.int64; it has to"),
        ([[1.0, 0.0]] * 3, "sampler Returns: draw(3) returned a list; it has to"),
        (KeyError("oops"), "sampler Returns failed on draw(3) (KeyError: 'oops'); MOFT_TRACE=1 shows where."),
    ],
)
def test_draws_that_are_no_vectors_are_told_with_their_sampler(found, message):
    assert told(checked_draws, Returns(found), 3, Generator(), 2).startswith(message)


def test_draws_and_grids_as_promised_pass():
    assert checked_draws(Returns(torch.ones(3, 5)), 3, Generator()).shape == (3, 5)
    assert checked_grid(Returns(WEIGHTS.double()), 11, 2).dtype == torch.float32


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (torch.ones(11, 3), "sampler Returns: grid(11) returned a tensor of shape (11, 3); it has to return vectors, [n, 2]"),
        (ValueError("no grid"), "sampler Returns failed on grid(11) (ValueError: no grid); MOFT_TRACE=1 shows where."),
    ],
)
def test_a_grid_of_another_size_is_told_with_its_sampler(found, message):
    assert told(checked_grid, Returns(found), 11, 2).startswith(message)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "sampler Returns: watched_weights() returned nothing (None); it has to return vectors, [n, size] of floats."),
        (torch.ones(3), "sampler Returns: watched_weights() returned a tensor of shape (3,); it has to return vectors"),
        (KeyError("no"), "sampler Returns failed on watched_weights() (KeyError: 'no'); MOFT_TRACE=1 shows where."),
    ],
)
def test_what_an_adaptive_sampler_watches_are_weights(found, message):
    assert told(checked_watched_weights, Returns(found)).startswith(message)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "sampler Returns: state() returned nothing (None); it has to return a mapping of names to tensors."),
        ({"a": torch.ones(1), "b": 1}, "sampler Returns: state() returned an int as 'b'; it has to be a tensor."),
        (KeyError("no"), "sampler Returns failed on state() (KeyError: 'no'); MOFT_TRACE=1 shows where."),
    ],
)
def test_the_state_of_an_adaptive_sampler_is_tensors_by_name(found, message):
    assert told(checked_state, Returns(found)) == message


ROWS = torch.ones(2, 4)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "conditioner Injects returned nothing (None); it has to return an Injection."),
        ({"last": (ROWS, None)}, "conditioner Injects returned a dict; it has to return an Injection."),
        (Injection({"lst": (ROWS, None)}), "conditioner Injects injects at site 'lst'; the ranker has these: input, last."),
        (Injection(deltas={"x": ()}), "conditioner Injects injects at layer for deltas 'x'; the ranker has these: none."),
        (Injection(gates={"x": ROWS}), "conditioner Injects injects at layer for gates 'x'; the ranker has these: none."),
        (
            Injection({"last": ROWS}),
            "conditioner Injects gives a tensor of shape (2, 4) for site 'last'; a modulation is a pair (scale, shift).",
        ),
        (
            Injection({"last": (None, ROWS[:1])}),
            "conditioner Injects gives site 'last' a shift of shape (1, 4); it has to be (2, 4).",
        ),
        (
            RuntimeError("no\nforward"),
            "conditioner Injects failed on weights [2, 2] (RuntimeError: no forward); MOFT_TRACE=1 shows where.",
        ),
    ],
)
def test_what_is_no_injection_for_the_model_is_told_with_its_conditioner(found, message):
    assert told(checked_injection, Injects(found), WEIGHTS, SPEC) == message


def test_an_injection_as_promised_passes():
    sound = Injection({"last": (ROWS, None), "input": (None, None)})
    assert checked_injection(Injects(sound), WEIGHTS, SPEC) is sound


def test_an_injection_through_which_nothing_can_learn_is_told_while_it_is_to_be_learned():
    class Deaf(Conditioner):
        slots = frozenset({"modulation"})

        def __init__(self):
            super().__init__()
            self.shift = torch.nn.Linear(2, 4)

        def forward(self, vector):
            return Injection({"last": (None, self.shift(vector).detach())})

    deaf = Deaf()
    with pytest.raises(ShapeError, match="conditioner Deaf returned an Injection without a gradient; it must") as caught:
        checked_injection(deaf, WEIGHTS, SPEC)
    assert caught.value.module == __name__  # by which its plugin is found
    with torch.no_grad():
        assert checked_injection(deaf, WEIGHTS, SPEC).modulation
    assert checked_injection(deaf.requires_grad_(False), WEIGHTS, SPEC).modulation  # frozen on purpose


def test_what_is_no_conditioner_or_does_not_say_what_it_fills_is_refused():
    class Silent(Conditioner):
        def forward(self, vector):
            return Injection()

    for subject in (torch.nn.Linear(2, 2), Silent()):
        message = f"conditioner {type(subject).__name__} is not a conditioner: it has to be a moft.api.Conditioner with `slots`"
        assert told(refuse_misfit, SPEC, subject).startswith(message)
    refuse_misfit(SPEC, Injects(None))
    with pytest.raises(ConfigError, match="'Injects' fills the slot 'modulation', which this model cannot read"):
        refuse_misfit(ModelSpec(2, 4), Injects(None))


def measured(n=2, lists=3, m=2):
    return ListValues(torch.zeros(n, lists, m), torch.zeros(n, lists), torch.arange(lists))


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "evaluator Returns returned nothing (None); it has to return ListValues."),
        (torch.ones(2, 3, 2), "evaluator Returns returned a tensor of shape (2, 3, 2); it has to return ListValues."),
        (
            measured(n=1),
            "evaluator Returns returned values of shape (1, 3, 2) for 2 tradeoffs, 3 lists and 2 objectives; it has to",
        ),
        (
            measured(m=1),
            "evaluator Returns returned values of shape (2, 3, 1) for 2 tradeoffs, 3 lists and 2 objectives; it has to",
        ),
        (
            ListValues(torch.zeros(2, 3, 2), torch.zeros(3), torch.arange(3)),
            "evaluator Returns returned main of shape (3,) for 2 tradeoffs, 3 lists and 2 objectives; it has to be (2, 3).",
        ),
        (
            ListValues(torch.full((2, 3, 2), torch.inf), torch.zeros(2, 3), torch.arange(3)),
            "evaluator Returns returned infinite values; each has to be finite, or NaN where there is none.",
        ),
        (
            ListValues([[0.0]], torch.zeros(2, 3), torch.arange(3)),  # type: ignore[arg-type]
            "evaluator Returns returned values of shape a list for 2 tradeoffs, 3 lists and 2 objectives; it has to be (2, 3, 2)",
        ),
        (
            ListValues(torch.zeros(2, 3, 2), torch.zeros(2, 3), [0, 1, 2]),  # type: ignore[arg-type]
            "evaluator Returns returned lists of shape a list for 2 tradeoffs, 0 lists and 2 objectives; it has to be (0,)",
        ),
    ],
)
def test_values_of_other_shapes_are_told_with_their_evaluator(found, message):
    assert told(checked_values, Returns(found), found, 2, 2).startswith(message)


def test_values_as_promised_come_in_the_order_of_the_split():
    given = ListValues(torch.arange(12.0).view(2, 3, 2), torch.zeros(2, 3), torch.tensor([2, 0, 1]))
    found = checked_values(Returns(given), given, 2, 2)
    assert found.lists.tolist() == [0, 1, 2]
    assert torch.equal(found.values, given.values[:, [1, 2, 0]])


def test_an_evaluator_without_its_metric_in_words_is_told():
    check_metric(Returns(None))
    assert told(check_metric, object()).startswith(
        "evaluator object is not an evaluator: it needs `metric`, the convention in words"
    )


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "indicator Returns returned nothing (None); it has to return a number."),
        (torch.ones(2), "indicator Returns returned a tensor of shape (2,); it has to return a number."),
        (ZeroDivisionError(), "indicator Returns failed on 2 points (ZeroDivisionError); MOFT_TRACE=1 shows where."),
    ],
)
def test_what_is_no_number_is_told_with_its_indicator(found, message):
    assert told(checked_number, Returns(found), WEIGHTS, WEIGHTS) == message


def test_an_indicator_without_name_or_meaning_is_told():
    assert checked_number(Returns(3), WEIGHTS, WEIGHTS) == 3.0
    bare = lambda points, weights: 1.0  # noqa: E731
    assert told(checked_number, bare, WEIGHTS, WEIGHTS).startswith(
        "indicator function has no name; it needs a text, which is printed with the number."
    )


def test_a_method_without_a_policy_and_losses_that_are_not_per_list_are_told():
    assert (
        told(checked_policy, Returns(None), None) == "method Returns: policy returned nothing (None); it has to return a Policy."
    )
    message = "job 'policy': loss_of returned a tensor of shape () for 3 lists; it has to return a loss for each."
    assert told(checked_losses, torch.tensor(1.0), 3, "policy") == message
    assert checked_losses(ROWS[:, 0], 2, "policy") is not None


@pytest.mark.parametrize("error", [ShapeError("told"), OSError("disk"), torch.OutOfMemoryError("full")])
def test_what_is_expected_passes_as_it_is(error):
    with pytest.raises(type(error)) as caught, failing_as("a test failed"):
        raise error
    assert caught.value is error


def test_what_is_not_expected_keeps_its_cause():
    with pytest.raises(PluginError) as caught, failing_as("a test failed"):
        raise ValueError("of mine")
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("found", [math.inf, -math.inf])
def test_an_infinite_indicator_is_told(found):
    class Far:
        name, meaning = "far", "nothing"

        def __call__(self, points, weights):
            return found

    with pytest.raises(PluginError, match=r"indicator Far returned -?inf; it has to return a finite number"):
        checked_number(Far(), torch.zeros(2, 2), torch.eye(2))
