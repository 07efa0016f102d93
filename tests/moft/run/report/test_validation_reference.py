"""The point that the hypervolume is measured from while the best weights are chosen."""

from __future__ import annotations

from typing import Any

import pytest

from moft.run.report.front_record import validation_reference_point
from moft.run.run_settings import ProfileSettings

OTHER = object()
CASES: list[tuple[dict[str, Any], list[float]]] = [
    ({}, [0, 0]),
    ({"reference": [-15, -1]}, [-15, -1]),
    ({"reference": [-15, -1], "validation_evaluator": OTHER}, [0, 0]),
    ({"reference": [-15, -1], "validation_reference": [0.4, 0.4]}, [0.4, 0.4]),
    ({"reference": [-15, -1], "validation_evaluator": OTHER, "validation_reference": [0.4, 0.4]}, [0.4, 0.4]),
]


@pytest.mark.parametrize(("given", "expected"), CASES)
def test_another_metric_is_not_measured_from_the_point_of_the_front(given, expected):
    settings = ProfileSettings(evaluator=OTHER, grid=OTHER, **given)  # type: ignore[arg-type]
    assert validation_reference_point(settings, 2).tolist() == expected
