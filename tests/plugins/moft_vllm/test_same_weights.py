"""The weights that a folder for vLLM reads without moft are those that moft reads."""

from __future__ import annotations

import math

import pytest

from moft import MoftError
from moft.run.policy.parse_weights import parse_weights, weights_from_json
from moft_vllm.errors import RequestError
from moft_vllm.tradeoffs import Tradeoffs
from tests.plugins.moft_vllm.conftest import NAMES, record_of

TEXTS = [
    *["0.2,0.8", " 0.2 , 0.8 ", "1,0", "0,1", "2e-1,.8", "+0.2,0.8", "1.,0", "-0,1", "0.2,0.80005", "0.2,0.8002"],
    *["brief=0.2,calm=0.8", "calm=0.8,brief=0.2", " brief = 0.2 , calm = 0.8 ", "calm=1", "calm=1,brief=0", "brief=0.5"],
    *["", " ", ",", "1", "0.5", "1,", ",1", "1,0,0", "0.2;0.8", "0.2 0.8", "a,1", "0.2,b", "nan,1", "inf,0", "1e999,0"],
    *["0.2,0.7", "0,0", "-0.2,1.2"],
    *["0x1,0", "1_0,0", "0_0.2,0.8", "\u0661,0", "\u00a01,0", "1\t,0", f"{'0' * 1000}1,0", "true,0"],
    *["brief", "brief=", "=1", "brief=1,calm", "brief=0.5,brief=0.5", "breif=1", "Brief=1", "brief=0.5=0.5", "brief=1,0"],
    *["brief=0_1.0", "calm=\u0661", "brief=nan,calm=1", "brief=1,calm=inf", "brief=1,", "brief=-1,calm=2"],
]
VALUES = [
    *[[0.2, 0.8], [1, 0], [0, 1.0], [0.2, 0.80005], {"brief": 0.2, "calm": 0.8}, {"calm": 1}, {"calm": 1, "brief": 0}],
    *[[], {}, [1], [1, 0, 0], [0.2, 0.7], [0, 0], [1.2, -0.2], ["0.2", 0.8], [True, False], [None, 1], [[1], 0], [10**400, 0]],
    *[[math.nan, 1], [math.inf, 0], {"breif": 1}, {"brief": None, "calm": 1}, {"brief": "1"}, {"brief": True}, 1, True, [{}, 1]],
]


def _read(read):
    """The weights; None where they are refused."""
    try:
        return read()
    except (MoftError, RequestError):
        return None


@pytest.mark.parametrize("text", TEXTS)
def test_texts_are_read_as_moft_reads_them(text):
    served = _read(lambda: list(Tradeoffs(record_of(), 0).of({"model": f"moft:{text}"}).weights))
    assert served == _read(lambda: parse_weights(text, NAMES))


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_are_read_as_moft_reads_them(value):
    served = _read(lambda: list(Tradeoffs(record_of(), 0).of({"weights": value}).weights))
    assert served == _read(lambda: weights_from_json(value, NAMES, "here"))
