"""The check scripts of exports, which compare the scores of their example rows without moft."""

from __future__ import annotations

ONNX = '''\
"""Scores the rows of examples.json with model.onnx, and compares with moft's scores. Needs numpy and onnxruntime."""

import json
from pathlib import Path

import numpy as np
import onnxruntime

here = Path(__file__).parent
examples = json.loads((here / "examples.json").read_text(encoding="utf-8"))
session = onnxruntime.InferenceSession(here / "model.onnx")
rows = np.array(examples["features"], dtype=np.float32)  # [documents, features]; null becomes NaN
for case in examples["cases"]:
    given = {
        "features": rows[None],  # [batch, list, features]: here one query
        "mask": np.ones((1, len(rows)), dtype=np.float32),  # 1 for a document, 0 for padding
        "weights": np.array([list(case["weights"].values())], dtype=np.float32),
        "dial": np.array([case["dial"]], dtype=np.float32),
        "base_scores": np.array([examples["base_scores"]], dtype=np.float32),
    }
    (scores,) = session.run(["scores"], {each.name: given[each.name] for each in session.get_inputs()})
    np.testing.assert_allclose(scores[0], case["scores"], rtol=1e-5, atol=1e-5)
print(f"ok: {len(rows)} documents at {len(examples['cases'])} tradeoffs have moft's scores.")
'''

_LIGHTGBM = '''\
"""Scores the rows of examples.json with LightGBM, and compares with moft's scores. Needs numpy and lightgbm."""

import json
from pathlib import Path

import lightgbm
import numpy as np

here = Path(__file__).parent
examples = json.loads((here / "examples.json").read_text(encoding="utf-8"))
{load}
rows = np.array(examples["features"], dtype=np.float32)  # [documents, features]; null becomes NaN
for case in examples["cases"]:
{score}
    np.testing.assert_allclose(scores, case["scores"], rtol=1e-5, atol=1e-5)
print(f"ok: {{len(rows)}} documents at {{len(examples['cases'])}} tradeoffs have moft's scores.")
'''
_WHOLE = 'model = lightgbm.Booster(model_file=here / "model.txt")'

FROZEN = _LIGHTGBM.format(load=_WHOLE, score="    scores = model.predict(rows)")
STEERED = _LIGHTGBM.format(
    load=_WHOLE,
    score="""\
    weights = np.tile(list(case["weights"].values()), (len(rows), 1))  # the last columns of every document
    scores = model.predict(np.hstack([rows, weights]))""",
)
SUMMED = _LIGHTGBM.format(
    load="""\
files = json.loads((here / "features.json").read_text(encoding="utf-8"))["sum"]
models = {name: lightgbm.Booster(model_file=here / file) for name, file in files["objectives"].items()}
base = lightgbm.Booster(model_file=here / files["base"])""",
    score="""\
    scores = base.predict(rows)
    for name, weight in case["weights"].items():
        scores = scores + weight * models[name].predict(rows)""",
)
