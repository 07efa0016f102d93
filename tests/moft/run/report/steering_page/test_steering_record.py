"""The data of a page: all that was measured, a surrogate for the rest, and nothing that JSON cannot hold."""

from __future__ import annotations

import json
import math

import pytest
import torch

from moft.engine.choices.search import scattered
from moft.engine.choices.surrogate import OutcomeSurrogate
from moft.errors import RunError
from moft.run.report.steering_page.steering_record import steering_record


def recorded(front, names=None, **settings):
    names = names or [*front["objectives"], "main"]
    return steering_record(front, names, name="my run", place="runs/x", is_text=False, **settings)


def test_every_point_base_and_dial_of_a_front_is_there(made_front):
    front = made_front(3, more=("length",))
    data = recorded(front, [*front["objectives"], "main", "length"])
    (source,) = data["sources"]
    assert source["names"] == ["objective 1", "objective 2", "objective 3", "main", "length"]
    assert (source["split"], source["kind"], source["lists"]) == ("test", "front", 40)
    assert len(source["points"]) == len(front["points"])
    for point, told in zip(source["points"], front["points"], strict=True):
        assert (point["weights"], point["dial"]) == (told["weights"], told["dial"])
        assert point["values"] == [*told["values"], told["main"], told["more"]["length"]]
        assert point["ci"] == [*told["ci"], told["main_ci"], None]
    assert source["base"]["values"] == [*front["base"]["values"], front["base"]["main"], 0.0]
    assert data["nouns"] == {"list": "query", "item": "document", "lists": "queries", "items": "documents"}
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_an_outcome_without_a_value_somewhere_is_left_out(made_front):
    front = made_front(2)
    front["points"][3]["values"][1] = None
    assert recorded(front)["sources"][0]["names"] == ["objective 1", "main"]
    front["points"][0]["values"][0], front["base"]["main"] = None, None
    with pytest.raises(RunError, match="nothing can be steered"):
        recorded(front)


def test_points_with_a_dial_for_each_objective_predict_nothing(made_front):
    front = made_front(2)
    front["points"][0]["dial"] = [1.0, 2.0]
    assert len(recorded(front)["sources"][0]["points"]) == len(front["points"]) - 1
    for point in front["points"]:  # as earlier versions wrote them
        del point["dial"]
        point["betas"] = [0.1, 0.2]
    assert {point["dial"] for point in recorded(front)["sources"][0]["points"]} == {1.0}


def test_what_was_measured_for_choices_comes_first_with_the_intervals_of_the_choices(made_front, made_choice):
    front = made_front(2)
    places = scattered(2, 30, (0.125, 64.0), 0)
    means = torch.cat([places.weights.double(), 1 / (1 + places.dials.double().unsqueeze(1))], dim=1)
    surrogate = OutcomeSurrogate(places.weights, places.dials, means, torch.zeros(3, dtype=torch.float64))
    outcomes = {"names": ["objective 1", "objective 2", "main"], "surrogate": surrogate.record()}
    outcomes["error"] = [0.1, 0.2, 0.3]
    choice = made_choice(front, [0.25, 0.75], 2.0, main=0.3)
    data = recorded(front, outcomes=outcomes, choices={"safe": choice})
    first, second = data["sources"]
    assert (first["split"], first["kind"], first["lists"], first["error"]) == ("validation", "choices", 80, [0.1, 0.2, 0.3])
    assert (second["split"], second["kind"]) == ("test", "front")
    assert [point["ci"] for point in first["points"][:-1]] == [None] * 30
    assert first["points"][-1]["ci"][2] == [pytest.approx(0.2), pytest.approx(0.5)]
    told = data["choices"][0]
    assert (told["name"], told["weights"], told["dial"]) == ("safe", [0.25, 0.75], 2.0)
    assert told["values"] == {"validation": {"objective 1": 0.6, "objective 2": 0.6, "main": 0.3}}


def test_of_an_outcome_and_its_negative_one_is_there(made_front, made_choice):
    front = made_front(2)
    for entry in (front["base"], *front["points"]):
        entry["more"] = {"minus main": -entry["main"], "length": 0.0}
    places = scattered(2, 20, (0.125, 64.0), 0)
    means = torch.stack([places.weights[:, 0], places.weights[:, 1], 1 / places.dials, -1 / places.dials], dim=1).double()
    surrogate = OutcomeSurrogate(places.weights, places.dials, means, torch.zeros(4, dtype=torch.float64))
    names = ["objective 1", "objective 2", "main", "minus main"]
    outcomes = {"names": names, "surrogate": surrogate.record(), "error": [0.1, 0.2, 0.3, 0.3]}
    first, second = recorded(front, [*names, "length"], outcomes=outcomes)["sources"]
    assert (first["names"], second["names"]) == (names[:3], [*names[:3], "length"])
    for source, count in ((first, 3), (second, 4)):
        given = source["surrogate"]
        rows = [*given["factors"], *(point["values"] for point in source["points"]), source["base"]["values"]]
        assert {len(row) for row in (*rows, given["middle"], given["scale"], source["error"])} == {count}


def test_its_parameters_predict_what_the_surrogate_does(made_front):
    places = scattered(3, 40, (0.125, 64.0), 3)
    means = torch.stack([places.weights[:, 0] * 3, places.dials.log(), torch.ones(40)], dim=1).double()
    surrogate = OutcomeSurrogate(places.weights, places.dials, means, torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64))
    given, asked = surrogate.parameters(), scattered(3, 9, (0.125, 64.0), 4)
    strength = 1 / (1 + asked.dials.double().unsqueeze(1))
    spots = torch.cat([asked.weights.double() * strength, strength], dim=1)
    far = math.sqrt(5) * torch.cdist(spots, torch.tensor(given["places"]).double()) / given["length"]
    sums = given["size"] * (1 + far + far**2 / 3) * (-far).exp() @ torch.tensor(given["factors"]).double()
    found = torch.tensor(given["middle"]).double() + torch.tensor(given["scale"]).double() * sums
    torch.testing.assert_close(found, surrogate.predict(asked.weights, asked.dials), rtol=0, atol=1e-4)
