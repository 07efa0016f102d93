"""A front as a table."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from moft.api import Front, ListValues, Nouns, Tradeoff
from moft_console.front_table import MAX_ROWS, captions, front_table, print_front


def front_of(n: int, *, has_main: bool = True) -> Front:
    """n points; the first objective's mean is the first weight, the second's is 1 less half of that."""
    first = torch.linspace(0, 1, n)
    weights = torch.stack([first, 1 - first], dim=1)
    values = torch.stack([first, 1 - first / 2], dim=1).unsqueeze(1).expand(n, 3, 2)
    main = torch.full((n, 3), 0.5 if has_main else math.nan)
    measured = ListValues(values, main, torch.arange(3))
    return Front(("clicks", "price"), Tradeoff(weights, torch.ones(1, 2)), measured, "NDCG@10", "test")


def test_a_row_has_weights_means_and_main():
    columns, rows = front_table(front_of(3))
    assert columns == ["weights", "clicks", "price", "main"]
    assert rows[1] == ["0.50 0.50", "0.5000", "0.7500", "0.5000"]


def test_what_stands_in_the_main_objectives_place_is_called_by_its_own_name():
    front = front_of(2)
    named = replace(front, measured=replace(front.measured, main_name="minus KL (nats)"))
    assert front_table(named)[0] == ["weights", "clicks", "price", "minus KL (nats)"]
    assert named.select(torch.tensor([0])).measured.ordered().main_name == "minus KL (nats)"


def test_no_mean_is_a_negative_zero():
    front = front_of(2)
    near = replace(front, measured=replace(front.measured, main=torch.full((2, 3), -1e-6)))
    assert [row[-1] for row in front_table(near)[1]] == ["0.0000", "0.0000"]


def test_without_a_main_objective_there_is_no_column_for_it():
    columns, rows = front_table(front_of(2, has_main=False))
    assert columns == ["weights", "clicks", "price"]
    assert len(rows[0]) == len(columns)


def test_temperatures_have_a_column_where_they_differ():
    front = front_of(2)
    varied = replace(front, tradeoffs=Tradeoff(front.tradeoffs.weights, torch.tensor([[1.0, 1.0], [2.0, 0.5]])))
    columns, rows = front_table(varied)
    assert columns[1] == "betas"
    assert [row[1] for row in rows] == ["1 1", "2 0.5"]


def test_an_objective_that_no_list_speaks_of_has_a_dash():
    front = front_of(1)
    values = front.measured.values.clone()
    values[..., 1] = math.nan
    _, rows = front_table(replace(front, measured=replace(front.measured, values=values)))
    assert rows[0][2] == "-"


def test_a_long_front_is_shown_from_end_to_end_in_few_rows():
    front = front_of(101)
    _, rows = front_table(front)
    assert len(rows) == MAX_ROWS
    assert (rows[0][0], rows[-1][0]) == ("0.00 1.00", "1.00 0.00")
    assert captions(front)[-1] == f"{MAX_ROWS} of 101 points are shown."


def test_metric_split_and_notes_are_the_caption():
    assert captions(replace(front_of(2), notes=("Nearest points answered.",))) == [
        "NDCG@10, on 3 lists of the test split.",
        "Nearest points answered.",
    ]


def test_the_caption_counts_lists_in_the_tasks_nouns():
    assert captions(replace(front_of(2), nouns=Nouns("query", "document"))) == ["NDCG@10, on 3 queries of the test split."]


def test_off_a_terminal_the_table_is_plain_columns_on_stdout(capsys):
    print_front(front_of(2))
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.splitlines() == [
        "  weights  clicks   price    main",
        "0.00 1.00  0.0000  1.0000  0.5000",
        "1.00 0.00  1.0000  0.5000  0.5000",
        "NDCG@10, on 3 lists of the test split.",
    ]


def test_on_a_terminal_the_table_is_drawn(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    print_front(front_of(2))
    out = capsys.readouterr().out
    assert "─" in out
    assert "0.5000" in out


def test_a_few_further_values_have_columns_and_many_are_in_the_report():
    front = front_of(2)
    few = {f"clicks mrr@{k}": torch.full((2, 3), 0.25) for k in range(1, 5)}
    columns, rows = front_table(replace(front, measured=replace(front.measured, more=few)))
    assert columns[-4:] == list(few)
    assert rows[0][-1] == "0.2500"
    many = replace(front, measured=replace(front.measured, more=few | {"clicks map": torch.zeros(2, 3)}))
    assert front_table(many)[0] == front_table(front)[0]
    assert captions(many)[-1] == "5 further values are in the report."


def test_means_are_by_the_weights_of_lists():
    front = front_of(2)
    values = torch.tensor([0.0, 1.0, 1.0]).view(1, 3, 1).expand(2, 3, 2)
    weighted = replace(front.measured, values=values, weights=torch.tensor([3.0, 1.0, 0.0]))
    assert [row[1] for row in front_table(replace(front, measured=weighted))[1]] == ["0.2500", "0.2500"]


def test_the_base_model_is_the_last_row():
    front = front_of(2)
    base = ListValues(torch.full((1, 3, 2), 0.25), torch.full((1, 3), 0.75), torch.arange(3))
    assert front_table(replace(front, base=base))[1][-1] == ["base", "0.2500", "0.2500", "0.7500"]


def test_lines_below_say_what_each_objective_gains_and_the_main_one_loses():
    front = front_of(3)
    base = ListValues(torch.tensor([0.25, 0.75]).expand(1, 3, 2), torch.full((1, 3), 0.75), torch.arange(3))
    assert captions(replace(front, base=base))[1:] == [
        "clicks: at most +0.7500 over the base model; main there: -0.2500.",
        "price: at most +0.2500 over the base model; main there: -0.2500.",
    ]
    without = replace(front_of(3, has_main=False), base=replace(base, main=torch.full((1, 3), math.nan)))
    assert captions(without)[1] == "clicks: at most +0.7500 over the base model."


def test_dials_have_a_column_where_they_differ():
    front = front_of(3)
    base = ListValues(torch.full((1, 3, 2), 0.25), torch.full((1, 3), 0.75), torch.arange(3))
    dials = torch.tensor([[0.5, 0.5], [0.5, 0.5], [1.0, 3.0]], dtype=torch.float64)
    varied = Tradeoff(front.tradeoffs.weights, dials.float())
    columns, rows = front_table(replace(front, tradeoffs=varied, dials=dials, base=base))
    assert columns[:2] == ["weights", "dial"]
    assert [row[1] for row in rows] == ["0.5", "0.5", "1 3", ""]
    assert front_table(replace(front, dials=torch.ones(3, 2)))[0] == front_table(front)[0]
    assert replace(front, dials=dials).select(torch.tensor([2])).dials.tolist() == [[1.0, 3.0]]
