"""Labels list by list: transforms, flat lists, what can be learned from."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from moft import ConfigError, DataError
from moft.config.build_component import resolve
from moft_llm.data.label_transforms import TextLabel, check_labels, has_preference, label_columns
from moft_llm.data.preference_example import Example
from moft_losses.unpaired_logistic import UnpairedLogistic

LABELS = torch.tensor([[1.0, 4.0, 2.0, 9.0], [3.0, 3.0, 3.0, 0.0], [5.0, -2.0, 0.0, 0.0]], dtype=torch.float64)
MASK = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0]]).bool()


def test_standardised_labels_have_mean_zero_and_deviation_one_within_a_list():
    found = TextLabel(transform="standardise").transformed(LABELS, MASK)
    judged = LABELS[0, :3]
    assert_close(found[0, :3], (judged - judged.mean()) / judged.std(correction=0))
    assert (found[1:] == 0).all()
    assert found[0, 3] == 0


def test_min_max_scales_a_list_to_zero_and_one():
    found = TextLabel(transform="min-max").transformed(LABELS, MASK)
    assert_close(found[0], torch.tensor([0.0, 1.0, 1 / 3, 0.0], dtype=torch.float64))
    assert (found[1:] == 0).all()


def test_labels_without_a_transform_stay_and_are_zero_where_nothing_was_judged():
    assert_close(TextLabel().transformed(LABELS, MASK), LABELS.masked_fill(~MASK, 0.0))


@pytest.mark.parametrize("transform", ["none", "standardise", "min-max"])
def test_sharpness_multiplies_what_a_transform_gives(transform):
    plain = TextLabel(transform=transform).transformed(LABELS, MASK)
    assert_close(TextLabel(transform=transform, sharpness=1.5).transformed(LABELS, MASK), 1.5 * plain)


@pytest.mark.parametrize("transform", ["standardise", "min-max"])
def test_a_shift_and_a_scale_of_a_list_change_nothing(transform):
    settings = TextLabel(transform=transform)
    assert_close(settings.transformed(LABELS * 7 + 1e4, MASK), settings.transformed(LABELS, MASK))


@pytest.mark.parametrize("labels", [[1e20, 0.0], [1e-25, 0.0], [3e38, -3e38], [1e-300, 0.0]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_labels_of_any_size_are_transformed(labels, dtype):
    given, mask = torch.tensor(labels, dtype=dtype), torch.ones(2).bool()
    if not has_preference(given, mask):
        pytest.skip("the two are equal in 32 bits")
    assert TextLabel(transform="standardise").transformed(given, mask).tolist() == [1.0, -1.0]
    assert TextLabel(transform="min-max").transformed(given, mask).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("labels", "settings"), [((1e-60, 0.0), {}), ((1e20, 1e20 + 1e12), {}), ((3e38, 0.0), {"sharpness": 2.0})]
)
def test_labels_that_do_not_fit_into_32_bits_are_refused_by_row(labels, settings):
    sizes = torch.tensor([2])
    with pytest.raises(DataError, match=r"^data\.jsonl:1: the labels for 'good' are too large, or too close"):
        label_columns([example(good=labels)], sizes, {"good": TextLabel(**settings)})
    columns = label_columns([example(good=labels)], sizes, {"good": TextLabel(transform="standardise")})
    assert_close(columns[0].abs(), torch.ones(2, 1))


def test_a_list_differs_when_a_judged_label_is_above_another():
    assert has_preference(LABELS, MASK).squeeze(-1).tolist() == [True, False, False]


def test_labels_say_what_they_are_in_words():
    assert TextLabel().description("brevity") == "label 'brevity', as is"
    label = TextLabel(label="words", transform="standardise", sharpness=1.5)
    assert label.description("brevity") == "label 'words', mean 0 and deviation 1 within the list, times 1.5"


def example(prompt="p", **labels):
    size = len(next(iter(labels.values()), (0, 0)))
    return Example(prompt, tuple(map(str, range(size))), labels, "data.jsonl:1")


def test_columns_are_item_after_item_in_the_order_of_the_objectives():
    examples = [example(a=(1.0, 3.0, None), b=(2.0, 2.0, 2.0)), example(b=(0.0, 4.0))]
    labels, mask, labelled = label_columns(examples, torch.tensor([3, 2]), {"second": TextLabel("b"), "a": TextLabel()})
    assert labels.tolist() == [[0, 1], [0, 3], [0, 0], [0, 0], [4, 0]]
    assert mask.tolist() == [[False, True], [False, True], [False, False], [True, False], [True, False]]
    assert labelled == {"second": 1, "a": 1}
    assert labels.dtype == torch.float32


def test_a_list_of_equal_labels_costs_nothing_under_any_loss(plugins):
    from moft.interfaces import Loss

    labels, mask, _ = label_columns([example(a=(2.0, 2.0)), example(a=(1.0, None))], torch.tensor([2, 2]), {"a": TextLabel()})
    rewards = torch.tensor([[1.0, -1.0], [0.5, 0.0]], requires_grad=True)
    for name in ("listnet", {"name": "listnet", "target": "sum"}, "ipo", "plackett-luce", "pairwise-logistic"):
        cost = resolve(Loss, name, plugins).make()(rewards, labels.reshape(2, 2), mask.reshape(2, 2))
        assert (cost == 0).all()
        (slope,) = torch.autograd.grad(cost.sum(), rewards)
        assert (slope == 0).all()


def test_lists_without_any_label_are_not_judged():
    labels, mask, labelled = label_columns([example()], torch.tensor([2]), {"a": TextLabel(transform="standardise")})
    assert not mask.any()
    assert (labels == 0).all()
    assert labelled == {"a": 0}


def test_an_unknown_label_and_one_that_prefers_nothing_are_one_line():
    examples = [example(clear=(1.0, 1.0), good=(None, 2.0)), example(short=(1.0, 2.0))]
    check_labels(examples, {"short": TextLabel(), "other": TextLabel("short")})
    with pytest.raises(
        DataError, match=r"^\[task\.objectives\.x\] no training prompt has the label 'lenght'. Labels in the data: clear, good, "
    ):
        check_labels(examples, {"x": TextLabel("lenght")})
    with pytest.raises(DataError, match=r"Labels in the data: none\.$"):
        check_labels([example()], {"x": TextLabel()})
    for name in ("clear", "good"):
        with pytest.raises(
            DataError,
            match=rf"^\[task\.objectives\.{name}\] the label '{name}' is equal for all responses to every training prompt",
        ):
            check_labels(examples, {name: TextLabel()})


def test_a_config_fills_a_label(plugins):
    made = resolve(dict[str, TextLabel], {"a": {"transform": "standardise", "loss": "ipo"}, "b": None}, plugins).make()
    assert made["a"].transform == "standardise"
    assert type(made["a"].loss).__name__ == "IPO"
    assert made["b"] == TextLabel()


def test_a_label_without_a_name_is_refused(plugins):
    with pytest.raises(ConfigError, match=r"^task\.objectives\.good\.label: must have at least 1 characters"):
        resolve(TextLabel, {"label": ""}, plugins, "task.objectives.good")


def test_a_loss_of_single_responses_keeps_labels_of_one_response_and_equal_ones():
    examples = [Example("p", ("a",), {"x": (1.0,)}, "f:1"), Example("q", ("a", "b"), {"x": (0.0, 0.0)}, "f:2")]
    objectives = {"x": TextLabel(loss=UnpairedLogistic()), "other": TextLabel(label="x")}
    labels, mask, labelled = label_columns(examples, torch.tensor([1, 2]), objectives)
    assert labels[:, 0].tolist() == [1.0, 0.0, 0.0]
    assert (mask[:, 0].all(), mask[:, 1].any(), labelled) == (True, False, {"x": 2, "other": 0})
    check_labels(examples, {"x": objectives["x"]})
    with pytest.raises(DataError, match="is equal for all responses to every training prompt"):
        check_labels(examples, {"other": objectives["other"]})
    for settings in ({"transform": "min-max"}, {"sharpness": 2.0}):
        with pytest.raises(ConfigError, match=r"a loss of single responses takes labels as they are"):
            TextLabel(loss=UnpairedLogistic(), **settings)
